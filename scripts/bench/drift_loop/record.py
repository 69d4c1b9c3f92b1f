"""What is kept of one stream."""

from pathlib import Path

from scripts.bench import records
from scripts.bench.records import Line, Recorded


class Cell(Line):
    """One detector on one stream: the case, by set, change and share, and the seed that drew it."""

    set: str
    change: str
    share: float
    seed: int
    detector: str


class Record(Recorded[Cell]):
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
    """Records by cell, see `scripts.bench.records.read`."""
    return {record.cell: record for record in records.read(path, Record)}
