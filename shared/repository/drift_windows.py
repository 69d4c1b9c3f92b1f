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
class Span:
    """Items that were watched from one moment to another.

    Attributes:
        end: What had been watched at its end.
        begin: What had been watched at its beginning.
        first: No item of a lower row number is part of it.
    """

    end: Seen
    begin: Seen = Seen(0, 0)
    first: int = 0


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
        return Seen(reference.through, reference.partly_through, reference.until)
    return seen_by(report)


def seen_by(report: DriftReport) -> Seen:
    """Which items had been watched once this report was written."""
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
        Seen(_settled(session, project_id, Seen(after.settled, through, until)), through, until),
        since=since,
        late=sum(row[1] < since for row in rows),
        undated=sum(row[2] is None for row in rows),
    )


def _settled(session: Session, project_id: int, seen: Seen) -> int:
    """Row number up to which all items have been watched."""
    left = select(func.min(Item.id)).where(_unseen(project_id, seen), col(Item.id) <= seen.through)
    lowest = session.exec(left).one()
    return seen.through if lowest is None else lowest - 1


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


def is_within(project_id: int, span: Span) -> ColumnElement[bool]:
    """Whether an item is one of a project's that were watched in a span."""
    watched = or_(col(Item.id) <= span.end.settled, _in_time(span.end))
    last = max(span.end.settled, span.end.through)  # said apart, or all rows to the newest are looked through
    return and_(_unseen(project_id, span.begin), watched, col(Item.id) >= span.first, col(Item.id) <= last)


def _in_time(seen: Seen) -> ColumnElement[bool]:
    there = col(Item.id) <= seen.through
    return there if seen.until is None else and_(there, _time() < seen.until)


def _unseen(project_id: int, seen: Seen) -> ColumnElement[bool]:
    # The sum keeps SQLite from an index of all the project's items: rows after `settled` are few, whatever the pool.
    of_project = col(Item.project_id) + 0 == project_id
    return and_(of_project, col(Item.id) > seen.settled, not_(_in_time(seen)))


def _time() -> ColumnElement[float]:
    """When an item counts: at its timestamp, or at its arrival where that is missing or yet to come."""
    given, arrived = col(Item.timestamp), col(Item.added_at)
    return case((or_(given.is_(None), given > arrived), arrived), else_=given)
