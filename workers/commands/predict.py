"""`quietcorner predict`: a model's decisions about texts from a file or from another program."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from shared.errors import InvalidInputError
from shared.repository.items import NewItem
from workers.commands import edge, rejected
from workers.commands.destination import destination
from workers.commands.rejected import RejectedRows
from workers.intake.readers import RawRow, RejectedRow, item_of, read_lines, read_rows
from workers.intake.rows import Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.progress import Progress, TaskID

    from shared.project import ProjectConfig
    from shared.settings import Settings
    from workers.embedding.encoders import Encoder
    from workers.reporting.models import Version

# Texts encoded together: some seconds on two cores, and what a reader of the output waits for.
_AT_ONCE = 256


@dataclass
class _Outcome:
    """How many texts were decided on and refused, and why reading stopped early, if it did."""

    decided: int = 0
    refused: int = 0
    error: InvalidInputError | None = None
    derived: Counter[str] = field(default_factory=Counter)


class _Checked(NamedTuple):
    line: int
    row: NewItem | RejectedRow
    bytes_read: int


def predict(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="[FILE]",
            help=".jsonl, .ndjson, .csv, .tsv (or .gz), .parquet; - reads lines of JSON or text from standard input",
        ),
    ] = Path("-"),
    version: Annotated[int | None, typer.Option(metavar="N", help="which version; the newest if left out")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="where to; standard output if left out")
    ] = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="classes to give a probability of, the likeliest")] = 5,
    everything: Annotated[bool, typer.Option("--all", help="give the probability of every class")] = False,
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=COLUMN", help="where a field stands, as in text=body; repeatable")
    ] = None,
) -> None:
    """Decide on texts that are not in the pool, with a project's model.

    Each text becomes a line of JSON: its item_id, the classes that the model
    decides for at its thresholds, and the probabilities of these and of the
    likeliest classes. Nothing is stored. Rows that can't be taken are written to
    FILE.rejected.jsonl with the reason.
    """
    from shared.repository.lexical import load_lexicon
    from workers.reporting.models import read_version

    columns = Columns.parse(column or [])
    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        chosen = read_version(session, project_id, name, version)
        lexicon = load_lexicon(session, project_id, in_force.folder / "vectors") if chosen.lexical else None
    encoder = _encoder(in_force, config, chosen)
    if lexicon is not None:
        encoder = _with_lexical(encoder, lexicon)
    refused = RejectedRows(rejected.rejected_file(Path("stdin") if str(file) == "-" else file))
    outcome = _Outcome()
    shown = len(chosen.model.classes) if everything else top
    with destination(out) as stream, _progress(file) as (bar, task):
        rows = _checked(file, columns, outcome)
        while chunk := list(islice(rows, _AT_ONCE)):
            for line in _decide(chosen, encoder, [part.row for part in chunk if isinstance(part.row, NewItem)], shown):
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
            stream.flush()
            _count(outcome, chunk, refused)
            bar.update(task, completed=chunk[-1].bytes_read, rows=outcome.decided + outcome.refused)
    _summarise(name, chosen.number, outcome, refused.path)


def _encoder(in_force: "Settings", config: "ProjectConfig", version: "Version") -> "Encoder":
    from workers.embedding.encoders import load_encoder

    encoder = load_encoder(config.encoder, threads=in_force.compute_threads)
    if encoder.key != version.encoder:
        raise InvalidInputError(
            f"model version {version.number} was trained on vectors of {version.encoder}, and this machine's encoder "
            f"{config.encoder!r} is {encoder.key}; its vectors mean nothing to it. Install that encoder, or give a "
            "--version of this one."
        )
    return encoder


def _with_lexical(encoder: "Encoder", table: "NDArray[np.float16]") -> "Encoder":
    from workers.embedding.lexicon import LexicalEncoder, Lexicon

    return LexicalEncoder(encoder, Lexicon.of_table(table))


def _checked(file: Path, columns: Columns, outcome: _Outcome) -> Iterator[_Checked]:
    """Rows, each an item or refused; what keeps the file from being read on goes into the outcome."""
    try:
        for raw in _rows(file, columns):
            yield _Checked(raw.line, item_of(raw, columns, outcome.derived), raw.bytes_read)
    except InvalidInputError as error:
        outcome.error = error


def _rows(file: Path, columns: Columns) -> Iterable[RawRow]:
    if str(file) != "-":
        return read_rows(file, columns=columns)
    return read_lines(typer.get_binary_stream("stdin"), text=columns.text)


def _decide(version: "Version", encoder: "Encoder", items: list[NewItem], shown: int) -> Iterator[dict[str, Any]]:
    import numpy as np

    from workers.training import classifier

    if not items:
        return
    model = version.model
    # As the pool's vectors are stored, so that a text gets the probabilities that it would have as an item, but for
    # what its vector owes to the texts that it is encoded beside.
    vectors = encoder.encode([item.text for item in items]).astype(np.float16)
    probability = classifier.probabilities(model, vectors, np.arange(len(items)))
    decided = classifier.decide(model, probability)
    ranked = np.argsort(-probability, axis=1, kind="stable")
    for row, item in enumerate(items):
        told = [place for rank, place in enumerate(ranked[row].tolist()) if rank < shown or decided[row, place]]
        yield {
            "item_id": item.item_id,
            "classes": [model.classes[place] for place in np.flatnonzero(decided[row]).tolist()],
            "probabilities": {model.classes[place]: round(float(probability[row, place]), 6) for place in told},
            "version": version.number,
        }


def _count(outcome: _Outcome, chunk: list[_Checked], refused: RejectedRows) -> None:
    bad = {part.line: part.row for part in chunk if isinstance(part.row, RejectedRow)}
    refused.append(bad)
    outcome.refused += len(bad)
    outcome.decided += len(chunk) - len(bad)


@contextmanager
def _progress(file: Path) -> "Iterator[tuple[Progress, TaskID]]":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]:,} texts")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        size = file.stat().st_size if file.is_file() else None
        yield bar, bar.add_task("standard input" if str(file) == "-" else file.name, total=size, rows=0)


def _summarise(name: str, version: int, outcome: _Outcome, rejected_file: Path) -> None:
    """Say on standard error how it went. Raises `InvalidInputError` when it did not go to the end or took nothing."""
    if outcome.error and not outcome.decided + outcome.refused:
        raise outcome.error
    told = f"{name}, version {version}: {outcome.decided:,} decided on, {outcome.refused:,} rejected"
    typer.echo(told + (f", with reasons in {rejected_file}" if outcome.refused else ""), err=True)
    if outcome.error:
        raise outcome.error
    if not outcome.decided:
        raise InvalidInputError(f"every row was rejected; the reasons are in {rejected_file}")
