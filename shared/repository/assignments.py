"""Queries on open assignments and their place on the annotation queue."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, update
from sqlalchemy import select as sql_select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from shared.among import among, several
from shared.tables import Assignment, AssignmentState, Batch, Item, Project, Submission

_STREAM_ENTRIES = select(Assignment.stream_id).where(among(Assignment.id, several("these", int)))


@dataclass(frozen=True)
class Waiting:
    """An open assignment that has no entry on the tasks stream, with the lease number that its entry will carry."""

    id: int
    lease: int
    round: int
    item_id: str
    text: str
    source: str
    reason: dict[str, Any]


class OnQueue(NamedTuple):
    """The open assignments of a project: how many there are, are on the queue, and are held by somebody."""

    project_id: int
    name: str
    open: int
    queued: int
    held: int

    @property
    def is_plain(self) -> bool:
        """Whether all of them lie on the queue, and nobody holds any."""
        return self.queued == self.open and not self.held


class Sibling(NamedTuple):
    """Another assignment of the same item and batch, once for each annotator who answered it.

    Attributes:
        of: the assignment whose sibling it is.
        id: of the sibling.
        entry: its entry on the tasks stream, if it has one.
        annotator: who answered it, if somebody did.
    """

    of: int
    id: int
    entry: str | None
    annotator: str | None


def siblings(session: Session, assignments: Collection[int]) -> list[Sibling]:
    """Other assignments of the items and batches of some assignments."""
    own, other = aliased(Assignment), aliased(Assignment)
    same = (col(other.item) == own.item) & (col(other.batch) == own.batch) & (col(other.id) != own.id)
    answer = (col(Submission.item) == other.item) & (col(Submission.assignment) == other.id)
    statement = (
        sql_select(col(own.id), col(other.id), col(other.stream_id), col(Submission.annotator))
        .join(other, same)
        .join(Submission, answer, isouter=True)
        .where(among(own.id, assignments))
    )
    return [Sibling(*row) for row in session.connection().execute(statement)]


def open_assignments(session: Session, project_id: int) -> list[Assignment]:
    """All open assignments of a project."""
    statement = select(Assignment).where(
        col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.OPEN
    )
    return list(session.exec(statement.order_by(col(Assignment.id))))


def on_queues(session: Session) -> list[OnQueue]:
    """What the queue of each project that has open assignments should hold."""
    counted = func.count(), func.count(col(Assignment.stream_id)), func.count(col(Assignment.leased_until))
    statement = (
        sql_select(col(Project.id), col(Project.name), *counted)
        .join(Project, col(Project.id) == col(Assignment.project_id))
        .where(col(Assignment.state) == AssignmentState.OPEN)
        .group_by(col(Project.id), col(Project.name))
        .order_by(col(Project.id))
    )
    return [OnQueue(*row) for row in session.connection().execute(statement)]


def write_leases(session: Session, leases: Mapping[int, tuple[str | None, float]]) -> None:
    """Write down who holds what until when: assignment -> (annotator, until)."""
    _update_each(
        session,
        [{"key": key, "annotator": annotator, "leased_until": until} for key, (annotator, until) in leases.items()],
    )


def take_off_queue(session: Session, assignments: Sequence[int]) -> None:
    """Mark open assignments as having no entry on the stream."""
    _update_each(
        session, [{"key": key, "stream_id": None, "annotator": None, "leased_until": None} for key in assignments]
    )


def prepare_queueing(session: Session, project_id: int) -> list[Waiting]:
    """Open assignments without an entry, each with its lease number raised by one.

    They come by batch, and of a batch the first of each item before the second of any: the same item twice in a row
    would meet the same annotator twice.
    """
    unqueued = (
        col(Assignment.project_id) == project_id,
        col(Assignment.state) == AssignmentState.OPEN,
        col(Assignment.stream_id).is_(None),
    )
    session.connection().execute(update(Assignment).where(*unqueued).values(lease=Assignment.lease + 1))
    statement = (
        sql_select(
            *(col(Assignment.id), col(Assignment.lease), col(Batch.round)),
            *(col(Item.item_id), col(Item.text), col(Item.source), col(Assignment.reason)),
        )
        .join(Item, col(Item.id) == col(Assignment.item))
        .join(Batch, col(Batch.id) == col(Assignment.batch))
        .where(*unqueued)
        .order_by(col(Assignment.batch), col(Assignment.slot), col(Assignment.rank))
    )
    return [Waiting(*row) for row in session.connection().execute(statement)]


def mark_queued(session: Session, entries: Mapping[int, str]) -> None:
    """Write down the stream entry of each assignment."""
    _update_each(session, [{"key": key, "stream_id": entry} for key, entry in entries.items()])


def move_entries(session: Session, moved: Mapping[int, tuple[str, str]]) -> None:
    """Write down that entries stand elsewhere on the stream, held by nobody: assignment -> (old, new); not where the
    sweep has queued it anew meanwhile."""
    statement = (
        update(Assignment)
        .where(col(Assignment.id) == bindparam("key"), col(Assignment.stream_id) == bindparam("old"), is_open())
        .values(stream_id=bindparam("new"), annotator=None, leased_until=None)
    )
    rows = [{"key": key, "old": old, "new": new} for key, (old, new) in moved.items()]
    session.connection().execute(statement, rows)


def stream_entries(session: Session, assignments: Sequence[int]) -> list[str]:
    """Stream entries of assignments, where they have one."""
    if not assignments:
        return []
    found = session.connection().execute(_STREAM_ENTRIES, {"these": assignments}).scalars()
    return [entry for entry in found if entry is not None]


def _update_each(session: Session, rows: list[dict[str, Any]]) -> None:
    """One update a row, by primary key `key`, of assignments that are still open."""
    if rows:
        columns: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "key"}
        session.connection().execute(
            update(Assignment).where(col(Assignment.id) == bindparam("key"), is_open()).values(**columns),
            rows,
        )


def is_open() -> ColumnElement[bool]:
    """That an assignment waits for an answer, leased ones included."""
    return col(Assignment.state) == AssignmentState.OPEN
