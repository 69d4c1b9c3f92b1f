"""The watch once more over all that came after a reference, as it is today: nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.database import Database
from shared.drift_tables import DriftReference
from shared.repository.drift_windows import Window, next_window, seen_after
from workers.drift.levels import Level
from workers.drift.looking import Scene, find_opinion, look_at, read_reference
from workers.drift.report import WindowReport
from workers.drift.watch import Change, WatchState, advance, level_after


@dataclass(frozen=True)
class Replayed:
    """What the watch says of one window.

    Attributes:
        number: of the window, the first after the reference is 1.
        window: which items.
        report: on them.
        level: with what the windows before it show together.
        changes: what happens to alarms.
    """

    number: int
    window: Window
    report: WindowReport
    level: Level
    changes: tuple[Change, ...]

    @property
    def gathered(self) -> bool:
        """Whether an alarm was raised by evidence that gathered over windows."""
        return any(change.gathered for change in self.changes)


def replay(database: Database, scene: Scene, stored: DriftReference) -> Iterator[Replayed]:
    """Window after window, up to the first that is not full or not embedded yet.

    Predictions are those of the newest model, not of the one at that time.
    """
    reference, drift = read_reference(stored), scene.config.drift
    seen, state, number = seen_after(None, stored), WatchState(), 0
    with database.read() as session:
        opinion = find_opinion(session, scene, reference, version=stored.version)
    while True:
        with database.read() as session:
            window = next_window(
                session, scene.project_id, after=seen, items=drift.window_items, hours=drift.window_hours
            )
            report = None if window is None else look_at(session, scene, reference, window, opinion)
        if window is None or report is None:
            return
        state, changes = advance(state, report, budget=drift.false_alarms_per_1000_windows)
        number, seen = number + 1, window.seen
        yield Replayed(number, window, report, level_after(report, changes), changes)
