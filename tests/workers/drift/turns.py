"""Two windows of an hour whose items came in turns, so that their row numbers lie between each other."""

from collections.abc import Sequence

from sqlmodel import Session

from shared.drift_tables import DriftReport
from shared.tables import Item

_HOUR_S = 3_600.0


def watch_in_turns(session: Session, project_id: int, rows: Sequence[int]) -> tuple[list[int], list[int]]:
    """Give items their times and report on the two windows; the row numbers of each."""
    windows = list(rows[::2]), list(rows[1::2])
    for number, (ids, settled) in enumerate(zip(windows, (rows[0], rows[-1]), strict=True)):
        for row in ids:
            session.get_one(Item, row).timestamp = number * _HOUR_S
        session.add(
            DriftReport(
                project_id=project_id,
                window=number + 1,
                reference=1,
                first=ids[0],
                through=rows[-1],
                settled=settled,
                since=number * _HOUR_S,
                until=(number + 1) * _HOUR_S,
                items=len(ids),
                level="act",
                findings={},
                made_at=0.0,
            )
        )
    return windows
