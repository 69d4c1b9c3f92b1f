"""`quietcorner model`: the versions of a project's model, what changed between two, and one to take along."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.errors import InvalidInputError
from workers.commands import edge

if TYPE_CHECKING:
    from rich.table import Table

    from shared.database import Database
    from shared.project import ProjectConfig
    from shared.settings import Settings
    from workers.reporting.models import Version

_NAME_SHOWN = 40
_TEXT_SHOWN = 200
_HASH_SHOWN = 16
# No table gets as wide.
_WIDEST = 10_000

commands = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List, show, compare and export model versions."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
Number = Annotated[
    int | None, typer.Argument(metavar="[VERSION]", help="which version; the newest if left out", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command("list", epilog="Example: [bold]quietcorner model list tickets[/bold]")
def list_versions(name: Name, as_json: AsJson = False) -> None:
    """List the versions of a project's model, the newest first."""
    from workers.reporting.models import all_versions

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        versions = all_versions(session, project_id)
    if as_json:
        edge.print_json({"project": name, "versions": versions})
        return
    if not versions:
        typer.echo(f"{name} has no model yet; `quietcorner status {name}` shows how far it is")
        return
    _print(lambda beside: _versions(versions, beside))


@commands.command(epilog="Example: [bold]quietcorner model show tickets 7[/bold]")
def show(name: Name, number: Number = None, as_json: AsJson = False) -> None:
    """Show one version: its labels, thresholds and quality by class, and what it was trained on and how."""
    from workers.reporting.models import describe_version, read_version

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        facts = describe_version(read_version(session, project_id, name, number))
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in _facts(name, facts):
        typer.echo(line)
    typer.echo()
    _print(lambda beside: _classes(facts, beside))
    for line in _goals(facts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner model diff tickets 6 7[/bold]")
def diff(
    name: Name,
    first: Annotated[int, typer.Argument(metavar="A", help="one version")],
    second: Annotated[int, typer.Argument(metavar="B", help="another one")],
    as_json: AsJson = False,
) -> None:
    """Show what changed from version A to version B: options, labels, quality, and decisions about the pool."""
    from workers.reporting.models import read_version

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        before, after = (read_version(session, project_id, name, number) for number in (first, second))
    facts = _difference(in_force, database, project_id, config, before, after)
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in _changed(name, facts):
        typer.echo(line)
    if facts["metrics"]:
        typer.echo()
        _print(lambda beside: _metrics(facts, beside))
    if facts["too_few"]:
        typer.echo(f"too few audit items of: {', '.join(facts['too_few'])}")
    typer.echo()
    for line in _decisions(facts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner model export tickets --out model --onnx[/bold]")
def export(
    name: Name,
    number: Number = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="the folder to write into; made if it isn't there")] = Path(
        "model"
    ),
    onnx: Annotated[bool, typer.Option("--onnx", help="write model.onnx too; needs the package onnx")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a version to use elsewhere.

    weights.safetensors holds its arrays; model.json the classes, the encoder,
    the thresholds and in words and formulas how to come to a decision.
    model.onnx takes sentence vectors and gives probabilities and decisions.
    A model that looks at words too comes with lexicon.safetensors, and takes
    vectors with lexical features behind them: docs/models.md shows how.
    """
    from safetensors.numpy import save

    from shared.repository.lexical import load_lexicon
    from workers.reporting.models import describe_version, read_version
    from workers.training.export import (
        ARRAYS_FILE,
        DOCUMENT_FILE,
        LEXICON_FILE,
        ONNX_FILE,
        document,
        exported_arrays,
    )
    from workers.training.onnx_graph import onnx_graph

    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        version = read_version(session, project_id, name, number)
        lexicon = load_lexicon(session, project_id, in_force.folder / "vectors") if version.lexical else None
    facts = {"project": name, **describe_version(version)}
    described = document(version.model, encoder=config.encoder, facts=facts, lexicon=lexicon)
    files = {
        ARRAYS_FILE: save(exported_arrays(version.model)),
        DOCUMENT_FILE: json.dumps(described, ensure_ascii=False, indent=2).encode() + b"\n",
    }
    if lexicon is not None:
        files[LEXICON_FILE] = save({"lexicon": lexicon})
    if onnx:
        files[ONNX_FILE] = onnx_graph(version.model, encoder=version.encoder)
    _write(out, files, others={LEXICON_FILE, ONNX_FILE} - files.keys())
    if as_json:
        edge.print_json({"project": name, "version": version.number, "files": [str(out / file) for file in files]})
        return
    typer.echo(f"{name}: wrote version {version.number} to {out}: {', '.join(files)}")


def _write(folder: Path, files: Mapping[str, bytes], *, others: Collection[str]) -> None:
    """Files that are there only once they are whole. `others`, of an earlier export, then go: they fit others."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            unfinished = folder / f"{file}.part"
            unfinished.write_bytes(content)
            unfinished.replace(folder / file)
        for file in others:
            (folder / file).unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{folder}: can't be written: {error}") from error


def _difference(
    in_force: "Settings",
    database: "Database",
    project_id: int,
    config: "ProjectConfig",
    before: "Version",
    after: "Version",
) -> dict[str, Any]:
    """What changed, with the decisions about the pool where both versions speak of the vectors that are in use."""
    from shared.repository.pools import encoder_in_use, load_pool
    from workers.reporting.models import compare_on_pool, describe_difference

    with database.read() as session:
        if not before.encoder == after.encoder == encoder_in_use(session, project_id):
            return {**describe_difference(before, after, None), "examples": []}
        pool = load_pool(session, project_id=project_id, config=config, vector_folder=in_force.folder / "vectors")
        compared, examples = compare_on_pool(session, before, after, pool)
    return {**describe_difference(before, after, compared), "examples": examples}


def _versions(versions: list[dict[str, Any]], beside: str) -> "Table":
    from workers.reporting.plain import clock

    table = _table("version", "labels", "macro-F1 (95 %)", "trained at (UTC)", "encoder", folding="encoder")
    for row in versions:
        table.add_row(
            str(row["version"]),
            f"{row['labels']:,}",
            _figure(row["macro_f1"], beside=beside),
            clock(row["trained_at"]),
            _cell(row["encoder"]),
        )
    return table


def _facts(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    from workers.reporting.changes import flat
    from workers.reporting.plain import clock

    kind = "one class an item" if facts["exclusive"] else "any number of classes an item"
    yield f"{name}, model version {facts['version']}: {len(facts['classes'])} classes, {kind}"
    beside = " with lexical features" if facts["lexical"] else ""
    seen = f"vectors of {facts['encoder']}{beside}"
    yield f"trained at {clock(facts['trained_at'])} UTC on {facts['labels']:,} labels, {seen}"
    tuned = f"tuned on {facts['tuned_on']:,} labels" if facts["tuned_on"] else "not tuned: fewer than 40 labels"
    taught = ", taught by a model that saw texts without a label too" if facts["taught"] else ""
    yield f"ridge strength {facts['strength']:g}, {tuned}{taught}"
    if facts["data"]:
        folds = facts["folds"]
        yield f"data {facts['data'][:_HASH_SHOWN]}, seed {facts['seed']}"
        yield f"folds {folds['data'][:_HASH_SHOWN]}, labels in each: {', '.join(map(str, folds['labels']))}"
        if facts["augmented"]:
            yield f"{facts['augmented']['texts']:,} augmented texts taught too"
    else:
        yield "what it was trained on was not kept: it is from before that was written down"
    if corrected := facts["prior_shift"]:
        yield (
            f"corrected for new class shares: log loss {corrected['log_loss_corrected']:.3f} instead of "
            f"{corrected['log_loss']:.3f} on {corrected['answers']:,} fresh audit answers"
            + (" of the version before" if corrected.get("carried") else "")
        )
    for key, value in flat(facts["options"] or {}):
        if value not in ({}, [], None):
            yield f"{key} = {json.dumps(value, ensure_ascii=False)}"
    if facts["measured_on"] is None:
        yield "not measured yet"
    else:
        yield f"measured on {facts['measured_on']:,} audit items: macro-F1 {_figure(facts['macro_f1'])}"
        for label, key in (("macro PR-AUC", "macro_pr_auc"), ("cost of an item", "cost")):
            if facts[key]:
                yield f"{label} {_figure(facts[key])}"


def _classes(facts: Mapping[str, Any], beside: str) -> "Table":
    threshold = "offset" if facts["exclusive"] else "threshold"
    rates = (f"{rate}{beside}(95 %)" for rate in ("PR-AUC", "recall", "precision"))
    table = _table("class", "labels", threshold, *rates, f"audit{beside}items", folding="class")
    for one in facts["classes"]:
        decides = f"{one[threshold]:.3f}" if one["learned"] else "never"
        table.add_row(
            _cell(one["name"]),
            "?" if one["labels"] is None else f"{one['labels']:,}",
            decides,
            *(
                "too few" if one["too_few"] else _figure(one[metric], 2, beside)
                for metric in ("pr_auc", "recall", "precision")
            ),
            "" if one["support"] is None else f"{one['support']:,}",
        )
    return table


def _goals(facts: Mapping[str, Any]) -> Iterator[str]:
    for one in facts["classes"]:
        if one["goal"] and one["goal"].get("sentence"):
            yield f"goal: {one['goal']['sentence']}"


def _changed(name: str, facts: Mapping[str, Any]) -> Iterator[str]:
    labels = facts["labels"]
    yield f"{name}: from version {facts['from']} ({labels['from']:,} labels) to {facts['to']} ({labels['to']:,} labels)"
    if facts["same_data"]:
        yield "both were trained on the same labels"
    if facts["labels_added"]:
        added = [f"{class_} {count:+,}" for class_, count in facts["labels_added"].items() if count]
        yield f"labels: {', '.join(added) or 'as many of each class'}"
    for change in facts["options"]:
        before, after = (
            "nothing" if change[side] is None else json.dumps(change[side], ensure_ascii=False)
            for side in ("before", "after")
        )
        yield f"{change['key']}: {before} -> {after}"


def _metrics(facts: Mapping[str, Any], beside: str) -> "Table":
    versions = (f"version {facts[side]}" for side in ("from", "to"))
    table = _table("figure", "class", *versions, "intervals", folding="class")
    for row in facts["metrics"]:
        if row["class"] in facts["too_few"]:
            continue
        verdict = {True: "overlap", False: "apart", None: ""}[row["overlap"]]
        table.add_row(
            row["metric"].replace("_", " "),
            _cell(row["class"] or ""),
            _figure(row["from"], 2, beside),
            _figure(row["to"], 2, beside),
            verdict,
        )
    return table


def _decisions(facts: Mapping[str, Any]) -> Iterator[str]:
    from workers.reporting.plain import one_line

    decisions = facts["decisions"]
    if decisions is None:
        yield "their decisions can't be compared: the pool's vectors are of another encoder than one of them"
        return
    yield f"they decide differently on {decisions['differing']:,} of the {decisions['items']:,} items of the pool"
    for class_, moved in decisions["by_class"].items():
        yield f"  {class_}: {moved['gained']:,} more, {moved['lost']:,} no longer"
    for item in facts["examples"]:
        before, after = (", ".join(item[side]) or "none" for side in ("from", "to"))
        yield f"  {item['item_id']}: {before} -> {after}: {one_line(item['text'], longest=_TEXT_SHOWN)}"


def _figure(found: Mapping[str, float | None] | None, digits: int = 3, beside: str = " ") -> str:
    if not found or found["value"] is None:
        return ""
    low, high = found.get("low"), found.get("high")
    ends = "" if low is None or high is None else f"{beside}({low:.{digits}f} to {high:.{digits}f})"
    return f"{found['value']:.{digits}f}{ends}"


def _cell(text: str) -> str:
    from rich.markup import escape

    from workers.reporting.plain import one_line

    return escape(one_line(text, longest=_NAME_SHOWN))


def _table(*headings: str, folding: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading != folding)
    return table


def _print(make: "Callable[[str], Table]") -> None:
    """Print a table, each interval beside its figure, or below it on a terminal that is too narrow; files and other
    programs get whole lines."""
    from rich.console import Console

    console, table = Console(highlight=False), make(" ")
    width = console.measure(table, options=console.options.update(width=_WIDEST)).maximum
    if not console.is_terminal:
        console = Console(highlight=False, width=max(width, 1))
    console.print(table if width <= console.width else make("\n"))
