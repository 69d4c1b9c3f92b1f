"""What is kept of one stream: a line of JSON in a file that a run which was interrupted goes on with."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidInputError


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Line):
    """One detector on one stream: the case, by set, change and share, and the seed that drew it."""

    set: str
    change: str
    share: float
    seed: int
    detector: str


class Record(_Line):
    """What a detector said.

    Attributes:
        cell: Of what.
        before: Windows before the change.
        scores: One a window, the higher the more of a drift.
        alarms: One a window: whether it finds a change at its usual setting.
        raised: One a window: whether that is a new alarm to somebody.
        fit_s: Seconds until it was ready.
        window_s: Seconds of each window.
        machine: In words.
        date: ISO 8601.
        shares: As the stream's.
    """

    cell: Cell
    before: int
    scores: tuple[float, ...]
    alarms: tuple[bool, ...]
    raised: tuple[bool, ...]
    fit_s: float
    window_s: tuple[float, ...]
    machine: str
    date: str
    shares: tuple[float, ...] = ()


def read(path: Path) -> dict[Cell, Record]:
    """Records by cell; of two of the same cell, the later. A last line that was cut short is ignored.

    Raises:
        InvalidInputError: another line is not a record.
    """
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    records: dict[Cell, Record] = {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line end is nothing, or cut short
        try:
            record = Record.model_validate_json(line)
        except ValidationError as error:
            raise InvalidInputError(f"{path}, line {number}: not a record of this bench. Give another --out") from error
        records[record.cell] = record
    return records


def write(path: Path, records: Iterable[Record]) -> None:
    """Write a file anew, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text("".join(record.model_dump_json() + "\n" for record in records), encoding="utf-8")
    unfinished.replace(path)


def append(path: Path, record: Record) -> None:
    """Add a record to a file whose last line is whole; it is there when this returns."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(record.model_dump_json() + "\n")
