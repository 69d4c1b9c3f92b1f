"""`quietcorner ingest`: items from files into the pool of a project."""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from shared.database import take_stock
from shared.errors import InvalidInputError
from shared.repository.items import NewItem, Stored
from workers.commands import edge, rejected
from workers.commands.rejected import RejectedRows
from workers.intake.readers import RejectedRow, item_of, read_rows, reject
from workers.intake.rows import Columns
from workers.intake.rules import Rules, hint_columns
from workers.intake.storing import store_items

# Rows and characters in one transaction: what a killed run loses at most, and how long other writers wait.
_ROWS_AT_ONCE = 5_000
_CHARACTERS_AT_ONCE = 16_000_000
# More than the rows of a transaction are made of.
_OBJECTS_BETWEEN_LOOKS = 200_000

Store = Callable[[list[NewItem]], Stored]
Advance = Callable[[int, int], None]


class _Checked(NamedTuple):
    line: int
    row: NewItem | RejectedRow
    bytes_read: int


@dataclass
class Outcome:
    """What became of one file.

    Attributes:
        file: The file.
        added: Rows that became items.
        already_there: Rows whose item was there.
        rejected: Rows that were refused; they stand in `rejected_file`.
        error: Why the file could not be read, or not to its end.
    """

    file: Path
    added: int = 0
    already_there: int = 0
    rejected: int = 0
    error: InvalidInputError | None = None

    @property
    def rows(self) -> int:
        """All rows that were looked at."""
        return self.added + self.already_there + self.rejected

    @property
    def rejected_file(self) -> Path:
        """Where the refused rows stand."""
        return rejected.rejected_file(self.file)


def ingest(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help=".jsonl, .ndjson, .csv, .tsv (or .gz) or .parquet")
    ],
    column: Annotated[
        list[str] | None, typer.Option(metavar="FIELD=COLUMN", help="where a field stands, as in text=body; repeatable")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Bring items from files into a project's pool.

    A row needs a text, and may have an id, a source, a group and a timestamp, and the scores that the project's
    seeding rules read. Rows that are there already are left alone, so a run that was cut short is simply repeated.
    Rows that can't be taken are written to FILE.rejected.jsonl with the reason.
    """
    columns = Columns.parse(column or [])
    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    rules = Rules(config.rules)
    columns = replace(columns, hints=hint_columns(config.rules))
    redis_answers = True

    def store(items: list[NewItem]) -> Stored:
        nonlocal redis_answers
        stored = store_items(database, project_id, items, rules=rules, seed=config.seed)
        take_stock(database)
        if stored.added and redis_answers:  # asked once in vain, the rest is left to the sweep
            redis_answers = edge.kick(in_force, database)
        return stored

    started = time.monotonic()
    with _rare_collections():
        outcomes = [_with_progress(file, columns, store) for file in _without_rejected(files)]
    _summarise(name, outcomes, time.monotonic() - started, as_json=as_json)
    _raise_faults(outcomes)


def ingest_file(file: Path, *, columns: Columns, store: Store, advance: Advance) -> Outcome:
    """Read one file, store its items by the thousand, and set aside what can't be taken.

    While some are stored, by another thread, those after them are read.

    Args:
        file: The file.
        columns: Which columns hold what.
        store: Stores items in a transaction of its own.
        advance: Told, after each transaction, the rows and the bytes of the file that are done so far.

    Raises:
        InvalidInputError: a row has to be set aside and can't be; what was stored before stays.
    """
    outcome = Outcome(file)
    refused = RejectedRows(outcome.rejected_file)
    with ThreadPoolExecutor(1, "storing") as beside:
        stored: Future[None] | None = None
        for chunk in _chunks(_checked(file, columns, outcome)):
            if stored is not None:
                stored.result()
            stored = beside.submit(_take, chunk, outcome, refused, store, advance)
        if stored is not None:
            stored.result()
    return outcome


def _take(chunk: list[_Checked], outcome: Outcome, refused: RejectedRows, store: Store, advance: Advance) -> None:
    good = {part.line: part.row for part in chunk if isinstance(part.row, NewItem)}
    bad = {part.line: part.row for part in chunk if isinstance(part.row, RejectedRow)}
    if good:
        stored = store(list(good.values()))
        outcome.added += stored.added
        outcome.already_there += stored.unchanged
        bad |= _conflicts(good, stored)
    refused.append(bad)
    outcome.rejected += len(bad)
    advance(outcome.rows, chunk[-1].bytes_read)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """What is loaded stays, and rows hold no cycles: the collector would look through both again and again."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _checked(file: Path, columns: Columns, outcome: Outcome) -> Iterator[_Checked]:
    """The rows of a file, each an item or refused; what keeps the file from being read on goes into the outcome."""
    derived: Counter[str] = Counter()
    try:
        for raw in read_rows(file, columns=columns):
            yield _Checked(raw.line, item_of(raw, columns, derived), raw.bytes_read)
    except InvalidInputError as error:
        outcome.error = error


def _chunks(rows: Iterator[_Checked]) -> Iterator[list[_Checked]]:
    chunk: list[_Checked] = []
    characters = 0
    for checked in rows:
        chunk.append(checked)
        characters += len(checked.row.text) if isinstance(checked.row, NewItem) else 0
        if len(chunk) == _ROWS_AT_ONCE or characters > _CHARACTERS_AT_ONCE:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _conflicts(good: dict[int, NewItem], stored: Stored) -> dict[int, RejectedRow]:
    if not stored.conflicting:
        return {}
    refused = set(stored.conflicting)
    return {
        line: reject(f"the id {item.item_id!r} belongs to another text already; what is stored stands", _shown(item))
        for line, item in good.items()
        if item in refused
    }


def _shown(item: NewItem) -> dict[str, object]:
    fields = {name: value for name, value in asdict(item).items() if not name.endswith("_key") and name != "hints"}
    return {**fields, **dict(item.hints)}


def _without_rejected(files: list[Path]) -> list[Path]:
    """Leave out what an earlier run wrote, which a pattern as `*.jsonl` brings along."""
    wanted = [file for file in files if not rejected.is_rejected_file(file)]
    for file in sorted(set(files) - set(wanted)):
        typer.echo(f"left out {file}: it holds rows that an earlier run rejected", err=True)
    return wanted


def _with_progress(file: Path, columns: Columns, store: Store) -> Outcome:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f} rows/s"),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        size = file.stat().st_size if file.is_file() else None
        task = progress.add_task(file.name, total=size, rows=0, rate=0.0)
        started = time.monotonic()

        def advance(rows: int, bytes_read: int) -> None:
            progress.update(task, completed=bytes_read, rows=rows, rate=rows / (time.monotonic() - started))

        return ingest_file(file, columns=columns, store=store, advance=advance)


def _summarise(name: str, outcomes: list[Outcome], seconds: float, *, as_json: bool) -> None:
    added, there, refused = (
        sum(getattr(outcome, count) for outcome in outcomes) for count in ("added", "already_there", "rejected")
    )
    if as_json:
        edge.print_json(
            {
                "project": name,
                "added": added,
                "already_there": there,
                "rejected": refused,
                "seconds": round(seconds, 3),
                "files": [_as_json(outcome) for outcome in outcomes],
            }
        )
        return
    rate = (added + there + refused) / max(seconds, 1e-9)
    typer.echo(
        f"{name}: {added:,} added, {there:,} already there, {refused:,} rejected "
        f"in {seconds:.1f} s ({rate:,.0f} rows/s)"
    )
    for outcome in outcomes:
        if outcome.rejected:
            typer.echo(f"  {outcome.file}: {outcome.rejected:,} rejected, with reasons in {outcome.rejected_file}")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": str(outcome.file),
        "added": outcome.added,
        "already_there": outcome.already_there,
        "rejected": outcome.rejected,
        "rejected_file": str(outcome.rejected_file) if outcome.rejected else None,
        "error": str(outcome.error) if outcome.error else None,
    }


def _raise_faults(outcomes: list[Outcome]) -> None:
    """Raise `InvalidInputError` when a file could not be read to its end, or nothing at all could be taken."""
    faults = [str(outcome.error) for outcome in outcomes if outcome.error]
    if faults:
        raise InvalidInputError("\n".join(faults))
    if all(outcome.rows == outcome.rejected for outcome in outcomes):
        places = ", ".join(str(outcome.rejected_file) for outcome in outcomes)
        raise InvalidInputError(f"every row was rejected; the reasons are in {places}" if places else "no file to read")
