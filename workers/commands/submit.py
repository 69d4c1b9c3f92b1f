"""`quietcorner submit`: labels from a file, as if annotators had sent them."""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from redis.exceptions import RedisError

from shared.contracts import ReceiptMessage, SubmissionMessage, parse_submission
from shared.database import Database
from shared.errors import InvalidInputError
from shared.labels import parse_label
from shared.project import ProjectConfig, Task
from shared.repository.assignments import stream_entries
from shared.settings import Settings
from shared.streams import connect
from workers.commands import edge, rejected
from workers.commands.rejected import RejectedRows
from workers.intake.answers import take_answers, until_alone
from workers.intake.labels import label_of
from workers.intake.readers import RawRow, RejectedRow, read_rows, reject
from workers.intake.rows import Columns, Row
from workers.intake.submissions import Verdict

# Rows in one transaction: what a killed run loses at most, and how long other writers wait.
_AT_ONCE = 500
_ORIGIN = "file"
_STDIN = "stdin.jsonl"
_EXPECTED = {
    Task.SINGLE: "a class is expected",
    Task.MULTI: "a list of classes is expected",
    Task.NER: "a list of spans {start, end, label} is expected",
}


@dataclass
class Outcome:
    """What became of the rows of a file.

    Attributes:
        counts: Rows by the status of their receipts, and how many of the accepted were `late` or `unasked`.
        entries: Stream entries of the assignments that the answers closed.
        error: Why the file could not be read, or not to its end.
    """

    counts: Counter[str] = field(default_factory=Counter)
    entries: list[str] = field(default_factory=list)
    error: InvalidInputError | None = None

    def count(self, receipt: ReceiptMessage) -> None:
        """Count one receipt."""
        self.counts[receipt.status] += 1
        self.counts["late"] += receipt.late
        self.counts["unasked"] += receipt.unasked


@dataclass(frozen=True)
class AnswerColumns(Columns):
    """Which columns of a file hold an answer; those of an item are not looked at."""

    FIELDS = ("id", "label", "annotator")
    SPREAD = frozenset({"label"})

    label: tuple[str, ...] = ("label",)
    annotator: str = "annotator"

    @property
    def wanted(self) -> frozenset[str]:
        """Every column that may be read."""
        return frozenset((*self.item_id, *self.label, self.annotator, "submission_id"))

    @property
    def required(self) -> frozenset[str]:
        """Columns that a file with a header must have."""
        return self.named | {*self.label}


class _Checked(NamedTuple):
    line: int
    content: Row
    message: SubmissionMessage


def submit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help=".jsonl, .ndjson, .csv, .tsv (or .gz), .parquet; - reads JSON lines from standard input",
        ),
    ],
    annotator: Annotated[str, typer.Option(help="who answered, in rows that don't say")] = "file",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN",
            help="where a field stands, as in label=verdict, or label=toxic,threat where each is a column of 0 and 1",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as JSON")] = False,
) -> None:
    """Take labels from a file.

    A row holds item_id (or id) and label, and may hold annotator and
    submission_id. Without a submission_id it gets one made of item, annotator
    and label, so that the same file given again does nothing; to change an
    answer back to an earlier one, give it a submission_id of its own. Rows that
    can't be taken are written to FILE.rejected.jsonl with the reason.
    """
    columns = AnswerColumns.parse(column or [])
    in_force = edge.settings()
    database = edge.database(in_force)
    project_id, config = edge.open_project(database, name)
    rejected_file = _rejected_file(file)
    with _readable(file) as path:
        outcome = submit_file(
            database, project_id, name, config, path, columns, annotator=annotator, rejected_file=rejected_file
        )
    if edge.kick(in_force, database):
        _clear_queue(in_force, name, outcome.entries)
    _summarise(name, outcome, rejected_file, as_json=as_json)
    _raise_faults(outcome, rejected_file)


def submit_file(
    database: Database,
    project_id: int,
    name: str,
    config: ProjectConfig,
    path: Path,
    columns: AnswerColumns,
    *,
    annotator: str,
    rejected_file: Path,
) -> Outcome:
    """Take the rows of a file, some hundred in a transaction; what can't be taken goes into `rejected_file`.

    Args:
        database: Where the answers go.
        project_id: The project's row number.
        name: The project's name.
        config: The project.
        path: The file.
        columns: Which of its columns hold what.
        annotator: Who answered, in rows that don't say.
        rejected_file: Begun anew; not made when every row can be taken.

    Raises:
        InvalidInputError: a row has to be set aside and can't be; what was stored before stays.
    """
    outcome = Outcome()
    refused = RejectedRows(rejected_file)
    rows = _read(path, columns, outcome)
    while chunk := list(islice(rows, _AT_ONCE)):
        checked = [_check(row, columns, project=name, config=config, annotator=annotator) for row in chunk]
        good = [row for row in checked if isinstance(row, _Checked)]
        bad = {raw.line: row for raw, row in zip(chunk, checked, strict=True) if isinstance(row, RejectedRow)}
        outcome.counts["refused"] += len(bad)
        for row, verdict in zip(good, _take(database, project_id, good, outcome), strict=True):
            outcome.count(verdict.receipt)
            if verdict.receipt.status == "refused":
                bad[row.line] = reject(verdict.receipt.reason or "", row.content)
        refused.append(bad)
    return outcome


def derive_submission_id(*, item_id: object, annotator: object, label: object, config: ProjectConfig) -> str:
    """A submission id for an answer that came without one: the same answer of the same annotator has the same."""
    with suppress(InvalidInputError):  # a label that can't be taken is refused later, with its reason
        label = parse_label(label, config=config)
    return hashlib.sha256(json.dumps([item_id, annotator, label], sort_keys=True).encode()).hexdigest()


def _read(path: Path, columns: AnswerColumns, outcome: Outcome) -> Iterator[RawRow]:
    """The rows of a file; what keeps it from being read on goes into the outcome."""
    try:
        yield from read_rows(path, columns=columns)
    except InvalidInputError as error:
        outcome.error = error


def _check(
    raw: RawRow, columns: AnswerColumns, *, project: str, config: ProjectConfig, annotator: str
) -> _Checked | RejectedRow:
    if isinstance(raw.content, RejectedRow):
        return raw.content
    try:
        return _Checked(raw.line, raw.content, _message(raw.content, columns, project, config, annotator))
    except InvalidInputError as error:
        return reject(str(error), raw.content)
    except RecursionError:
        return reject("label is nested too deeply", raw.content)


def _message(
    row: Row, columns: AnswerColumns, project: str, config: ProjectConfig, annotator: str
) -> SubmissionMessage:
    """The submission that a row stands for; columns that a submission does not have are ignored."""
    if len(columns.label) == 1 and row.get(columns.label[0]) is None:
        raise InvalidInputError(f"{columns.label[0]} is missing: {_EXPECTED[config.task]}")
    given = label_of(row, columns.label)
    label = [_name(part) for part in given] if isinstance(given, list) else _name(given)
    item_id = _name(next((row[column] for column in columns.item_id if column in row), None))
    who = _name(row.get(columns.annotator)) or annotator
    submission_id = _name(row.get("submission_id")) or derive_submission_id(
        item_id=item_id, annotator=who, label=label, config=config
    )
    return parse_submission(
        json.dumps(
            {
                "project": project,
                "submission_id": submission_id,
                "item_id": item_id,
                "annotator": who,
                "label": label,
            }
        ).encode()
    )


def _name(value: object) -> object:
    """Whole numbers stand for names, as they do in `quietcorner ingest`."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _take(database: Database, project_id: int, rows: Sequence[_Checked], outcome: Outcome) -> list[Verdict]:
    if not rows:
        return []

    def store() -> tuple[list[Verdict], list[str]]:
        with database.write() as session:
            messages = [row.message for row in rows]
            verdicts = take_answers(session, project_id=project_id, messages=messages, origin=_ORIGIN)
            closed = [verdict.closes for verdict in verdicts if verdict.closes is not None]
            return verdicts, stream_entries(session, closed)

    verdicts, entries = until_alone(store)
    outcome.entries += entries
    return verdicts


def _clear_queue(in_force: Settings, name: str, entries: Sequence[str]) -> None:
    """Take answered assignments off the queue now, so that nobody labels them again; the sweep does it otherwise."""
    from workers.dispatch.queue import remove_tasks

    with suppress(RedisError), connect(in_force) as client:
        remove_tasks(client, name, entries)


@contextmanager
def _readable(file: Path) -> Iterator[Path]:
    """A file that can be read; standard input becomes one."""
    if str(file) != "-":
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, _STDIN)
        with path.open("wb") as copy:
            shutil.copyfileobj(typer.get_binary_stream("stdin"), copy)
        yield path


def _rejected_file(file: Path) -> Path:
    return rejected.rejected_file(Path("stdin") if str(file) == "-" else file)


def _summarise(name: str, outcome: Outcome, rejected_file: Path, *, as_json: bool) -> None:
    counts = {key: outcome.counts[key] for key in ("accepted", "duplicate", "refused", "late", "unasked")}
    if as_json:
        summary: dict[str, Any] = {
            "project": name,
            **counts,
            "rejected_file": str(rejected_file) if counts["refused"] else None,
            "error": str(outcome.error) if outcome.error else None,
        }
        edge.print_json(summary)
        return
    typer.echo(
        f"{name}: {counts['accepted']:,} accepted ({counts['late']:,} late, {counts['unasked']:,} unasked), "
        f"{counts['duplicate']:,} duplicate, {counts['refused']:,} refused"
    )
    if counts["refused"]:
        typer.echo(f"  the refused rows stand in {rejected_file}, each with its reason")


def _raise_faults(outcome: Outcome, rejected_file: Path) -> None:
    """Raise `InvalidInputError` when the file could not be read to its end, or nothing at all could be taken."""
    if outcome.error:
        raise outcome.error
    if not outcome.counts["accepted"] and not outcome.counts["duplicate"]:
        raise InvalidInputError(f"every row was refused; the reasons are in {rejected_file}")
