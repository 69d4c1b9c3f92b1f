"""The windows of the drift watch: which new items are looked at together, and when a window is full.

Every item is looked at once, in the order in which it came. A window by count is the next so many items. A window by
time takes the items by their timestamps:

- An item without a timestamp, or with one later than its arrival, counts at the time at which it arrived.
- Windows begin at multiples of their length since 1970 (UTC). One in which nothing happened is skipped: a pause is no
  window. A source that falls silent shows in the first window with items of other sources.
- A window is over as soon as an item has arrived that is a tenth of the window's length past its end. No clock takes
  part: where nothing arrives, nothing is looked at.
- What arrives after its window was looked at is late: it takes part in the next window, and is counted there.
"""

from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import ColumnElement, and_, case, func, not_, or_
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from shared.drift_tables import DriftReference, DriftReport
from shared.pool import Index
from shared.tables import Item

# How long a window by time waits for late items, as a part of its length.
_GRACE = 0.1
_HOUR_S = 3_600.0


@dataclass(frozen=True)
class Seen:
    """Which items have been watched: all up to row number `settled`, and of those up to `through` the ones before
    `until`, a time; None is the end of time."""

    settled: int
    through: int
    until: float | None = None


@dataclass(frozen=True)
class Window:
    """The items that are looked at together.

    Attributes:
        ids: (n,) int64, row numbers, ascending, n >= 1.
        seen: What has been watched once this window has.
        since: Begin of a window by time; None for one by count.
        late: Items of a time before `since`.
        undated: Items without a timestamp.
    """

    ids: Index
    seen: Seen
    since: float | None = None
    late: int = 0
    undated: int = 0


def seen_after(report: DriftReport | None, reference: DriftReference) -> Seen:
    """Which items have been watched after the newest report, or before the first."""
    if report is None or report.settled < reference.through:
        return Seen(reference.through, reference.through)
    return Seen(report.settled, report.through, report.until)


def next_window(session: Session, project_id: int, *, after: Seen, items: int, hours: float | None) -> Window | None:
    """The next window: `items` items, or `hours` long where these are given; None while it is not full."""
    if hours is None:
        return _by_count(session, project_id, after, items)
    return _by_time(session, project_id, after, hours * _HOUR_S)


def _by_count(session: Session, project_id: int, after: Seen, count: int) -> Window | None:
    statement = select(Item.id, Item.timestamp).where(_unseen(project_id, after)).order_by(col(Item.id)).limit(count)
    rows = session.exec(statement).all()
    if len(rows) < count:
        return None
    newest = rows[-1][0]
    # Of rows that a window by time left to later ones, those up to the newest of this window alone have been watched.
    seen = Seen(newest, newest) if newest >= after.through else replace(after, settled=newest)
    return Window(
        np.array([row[0] for row in rows], dtype=np.int64),
        seen,
        undated=sum(row[1] is None for row in rows),
    )


def _by_time(session: Session, project_id: int, after: Seen, length_s: float) -> Window | None:
    unseen = select(func.min(_time()), func.max(_time()), func.max(Item.id)).where(_unseen(project_id, after))
    earliest, latest, newest = session.exec(unseen).one()
    if earliest is None:
        return None
    since = max(earliest // length_s * length_s, after.until or -np.inf)
    until = (since // length_s + 1) * length_s
    if latest < until + _GRACE * length_s:
        return None
    through = max(after.through, newest)
    rows = _of_window(session, project_id, after, through=through, until=until)
    return Window(
        np.array([row[0] for row in rows], dtype=np.int64),
        Seen(after.settled, through, until),
        since=since,
        late=sum(row[1] < since for row in rows),
        undated=sum(row[2] is None for row in rows),
    )


def _of_window(
    session: Session, project_id: int, after: Seen, *, through: int, until: float
) -> list[tuple[int, float, float | None]]:
    """Row number, time and timestamp of each item."""
    statement = (
        sql_select(col(Item.id), _time(), col(Item.timestamp))
        .where(_unseen(project_id, after), col(Item.id) <= through, _time() < until)
        .order_by(col(Item.id))
    )
    return [(item, time, given) for item, time, given in session.connection().execute(statement)]


def _unseen(project_id: int, seen: Seen) -> ColumnElement[bool]:
    old = col(Item.id) <= seen.through
    if seen.until is not None:
        old = and_(old, _time() < seen.until)
    # The sum keeps SQLite from an index of all the project's items: rows after `settled` are few, whatever the pool.
    of_project = col(Item.project_id) + 0 == project_id
    return and_(of_project, col(Item.id) > seen.settled, not_(old))


def _time() -> ColumnElement[float]:
    """When an item counts: at its timestamp, or at its arrival where that is missing or yet to come."""
    given, arrived = col(Item.timestamp), col(Item.added_at)
    return case((or_(given.is_(None), given > arrived), arrived), else_=given)
