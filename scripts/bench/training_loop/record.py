"""What is kept of one trained model."""

from pathlib import Path

from scripts.bench import records
from scripts.bench.records import Line, Recorded


class Cell(Line):
    """One model: which set as which seed sees it, how many labels, and how it was trained."""

    set: str
    seed: int
    labels: int
    method: str


class Record(Recorded[Cell]):
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

    rare_classes: tuple[str, ...]
    rare_labels: int
    macro_f1: float
    rare_pr_auc: float | None
    calibration_error: float
    seconds: float
    machine: str
    date: str


def read(path: Path) -> dict[Cell, Record]:
    """Records by cell, see `scripts.bench.records.read`."""
    return {record.cell: record for record in records.read(path, Record)}
