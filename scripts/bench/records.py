"""Records of a bench: lines of JSON in a file that a run which was interrupted goes on with."""

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidInputError


class Line(BaseModel):
    """What can stand on a line: never changed, and of no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=Hashable)


class Recorded(Line, Generic[C]):
    """What was measured.

    Attributes:
        cell: Of what; there is one record of each.
    """

    cell: C


R = TypeVar("R", bound=Recorded[Any])


def read(path: Path, kind: type[R]) -> list[R]:
    """Records in the order in which their cells came first; of two of the same cell, the later.

    A last line that was cut short is ignored.

    Raises:
        InvalidInputError: another line is not a record.
    """
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    records: dict[Hashable, R] = {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line end is nothing, or cut short
        try:
            record = kind.model_validate_json(line)
        except ValidationError as error:
            raise InvalidInputError(f"{path}, line {number}: not a record of this bench. Give another --out") from error
        records[record.cell] = record
    return list(records.values())


def write(path: Path, records: Iterable[Line]) -> None:
    """Write a file anew, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text("".join(record.model_dump_json() + "\n" for record in records), encoding="utf-8")
    unfinished.replace(path)


def append(path: Path, record: Line) -> None:
    """Add a record to a file whose last line is whole; it is there when this returns."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(record.model_dump_json() + "\n")
