"""What is kept of one trained model: a line of JSON in a file that a run which was interrupted goes on with."""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import InvalidInputError


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Line):
    """One model: which set as which seed sees it, how many labels, and how it was trained."""

    set: str
    seed: int
    labels: int
    method: str


class Record(_Line):
    """What a model is worth on the test set.

    Attributes:
        cell: Which model.
        rare_classes: Names.
        rare_labels: Labels of the rarest class that has one.
        macro_f1: Of its decisions.
        rare_pr_auc: Mean over the rare classes; None where there is none.
        calibration_error: Mean over the classes of the distance between probabilities and frequencies in ten bins of as
            many items each.
        seconds: Of training.
        machine: In words.
        date: ISO 8601.
    """

    cell: Cell
    rare_classes: tuple[str, ...]
    rare_labels: int
    macro_f1: float
    rare_pr_auc: float | None
    calibration_error: float
    seconds: float
    machine: str
    date: str


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
        stream.write(json.dumps(record.model_dump(mode="json")) + "\n")
