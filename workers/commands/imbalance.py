"""`quietcorner imbalance`: how uneven classes and sources are, and what that calls for."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import InvalidInputError
from workers.commands import edge

if TYPE_CHECKING:
    from rich.table import Table

    from workers.reporting.remedies import InForce, Remedy
    from workers.training.imbalance import AuditTally, Evenness, Imbalance, Tally
    from workers.training.metrics import Interval

_MOST_ROWS = 50
_NAME_SHOWN = 40
_LINE_SHOWN = 1_000
_CLASSES_OF_A_SOURCE = 4


def imbalance(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="the project; or else a labeled file with --file")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="labeled rows: .jsonl, .ndjson, .csv, .tsv (or .gz), .parquet; all is counted"
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN",
            help="where a field of the file stands, as in label=category, or label=toxic,threat for columns of 0 and 1",
        ),
    ] = None,
    beta: Annotated[
        float,
        typer.Option(min=0.0, max=0.999999, help="of the effective number of samples (Cui et al. 2019)"),
    ] = 0.999,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show how uneven classes and sources are, and which strategies that calls for.

    Shares of the pool are estimated from the labeled audit sample, with 95 %
    intervals; in a labeled file all is counted.

    Example: quietcorner imbalance tickets
    Example: quietcorner imbalance --file labeled.jsonl --json
    """
    from workers.reporting.remedies import remedies
    from workers.training.imbalance import measure
    from workers.training.remedies import findings

    tally, audit, in_force = _count(name, file, column or [])
    measured = measure(tally, audit, beta=beta, weighting=in_force.weighting)
    called_for = remedies(findings(measured, in_force.targets), measured, in_force)
    if as_json:
        origin = {"project": name} if file is None else {"file": str(file)}
        edge.print_json({**origin, **asdict(measured), "calls_for": [asdict(one) for one in called_for]})
        return
    _print(name or str(file), measured, called_for, counted=file is not None)


def _count(name: str | None, file: Path | None, column: Sequence[str]) -> "tuple[Tally, AuditTally, InForce]":
    from workers.reporting import tallies
    from workers.reporting.remedies import InForce

    if (name is None) == (file is None):
        raise InvalidInputError("give either a project's NAME or --file FILE, one of the two")
    if file is not None:
        from workers.simulation.dataset import LabeledColumns, read_dataset

        dataset = read_dataset(file, LabeledColumns.parse(column))
        if dataset.rejected:
            first = dataset.rejected[0]
            typer.echo(
                f"{len(dataset.rejected):,} row(s) left out, the first at line {first.line}: {first.reason}", err=True
            )
        tally = tallies.file_tally(dataset)
        return tally, tallies.file_audit(tally), InForce()
    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name or "")
    with database.read() as session:
        return (
            tallies.project_tally(session, project_id, config),
            tallies.project_audit(session, project_id, config),
            tallies.in_force(session, project_id, config),
        )


def _print(title: str, measured: "Imbalance", called_for: "Sequence[Remedy]", *, counted: bool) -> None:
    from rich.console import Console

    from workers.reporting.plain import one_line

    console = Console(highlight=False)
    for line in _heading(title, measured, counted=counted):
        console.print(line, markup=False)
    console.print()
    console.print(_classes(measured, counted=counted))
    console.print(
        f"ratio: the largest class to this one; weight: of an error on it in training, before costs; "
        f"effective: number of samples for beta = {measured.beta:g}",
        style="dim",
    )
    console.print()
    console.print(_sources(measured))
    console.print()
    for line in [one.told for one in called_for] or ["Nothing here calls for a remedy."]:
        console.print(f"- {one_line(line, longest=_LINE_SHOWN)}", markup=False)


def _heading(title: str, measured: "Imbalance", *, counted: bool) -> list[str]:
    from workers.reporting.sentences import counted as number_of
    from workers.reporting.sentences import share

    lines = [f"{title}: {number_of(measured.items, 'item')}, {measured.labels:,} of them labeled"]
    lines.append(f"labels: {_evenness(measured.of_labels)}")
    if measured.of_pool and not counted:
        gap = "" if measured.audit_covered >= 1 else f", which speak for {share(measured.audit_covered)} of it"
        lines.append(
            f"pool: {_evenness(measured.of_pool)}; estimated from {number_of(measured.audit_items, 'audit item')}{gap}"
        )
    return lines


def _evenness(found: "Evenness") -> str:
    if found.imbalance_ratio is None:
        return "none"
    entropy = "" if found.normalised_entropy is None else f", entropy {found.normalised_entropy:.2f} (1 is even)"
    return f"largest class to smallest that occurs {found.imbalance_ratio:,.1f} to 1{entropy}"


def _classes(measured: "Imbalance", *, counted: bool) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from workers.reporting.plain import one_line

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    headings = ["labels", "share", *([] if counted else ["of the pool (95 %)"]), "ratio", "weight", "effective"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in sorted(measured.classes, key=lambda one: one.labels)[:_MOST_ROWS]:
        cells = [
            f"{one.labels:,}",
            _share(one.share),
            *([] if counted else [_interval(one.prevalence)]),
            "" if one.ratio is None else f"{one.ratio:,.1f}",
            "" if one.weight is None else f"{one.weight:.3g}",
            f"{one.effective_number:,.1f}",
        ]
        table.add_row(Text(one_line(one.name, longest=_NAME_SHOWN)), *cells)
    _say_what_is_left(table, len(measured.classes))
    return table


def _sources(measured: "Imbalance") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from workers.reporting.plain import one_line

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("source", overflow="fold")
    for heading in ("items", "share", "labels", "of all labels"):
        table.add_column(heading, justify="right")
    table.add_column("labels by class", overflow="fold")
    for source in sorted(measured.sources, key=lambda source: -source.items)[:_MOST_ROWS]:
        table.add_row(
            Text(one_line(source.name, longest=_NAME_SHOWN)),
            f"{source.items:,}",
            _share(source.share),
            f"{source.labels:,}",
            _share(source.label_share),
            Text(_by_class(source.by_class)),
        )
    _say_what_is_left(table, len(measured.sources))
    return table


def _say_what_is_left(table: "Table", rows: int) -> None:
    from rich.text import Text

    if rows > _MOST_ROWS:
        table.add_row(Text(f"and {rows - _MOST_ROWS:,} more (--json shows all)", style="dim"))


def _by_class(counts: dict[str, int]) -> str:
    from workers.reporting.plain import one_line

    ranked = sorted(counts.items(), key=lambda pair: -pair[1])
    shown = [f"{one_line(name, longest=_NAME_SHOWN)} {count:,}" for name, count in ranked[:_CLASSES_OF_A_SOURCE]]
    left = len(ranked) - len(shown)
    return ", ".join([*shown, *([f"{left:,} more"] if left else [])])


def _share(value: float | None) -> str:
    from workers.reporting.sentences import share

    return "" if value is None else share(value)


def _interval(found: "Interval | None") -> str:
    if found is None:
        return ""
    return f"{_share(found.value)} ({_share(found.low)} to {_share(found.high)})"
