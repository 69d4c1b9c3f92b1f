"""Queries on how the work goes on over all projects: what the metrics of the HTTP API are made of.

Each is one statement for all projects, by an index or over few rows, since a scrape comes every few seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session, col

from shared.database import now
from shared.drift_tables import DriftReport
from shared.lanes import MOST_ATTEMPTS
from shared.tables import Assignment, AssignmentState, Batch, DeadLetter, Label, Lane, OutboxEvent, Project, Submission


@dataclass(frozen=True)
class Outbox:
    """Events that wait to be published, and for how many seconds the oldest has."""

    waiting: int
    oldest_s: float


@dataclass(frozen=True)
class LastBatch:
    """A project's newest batch."""

    round: int
    train_s: float
    select_s: float
    age_s: float


def project_names(session: Session) -> dict[int, str]:
    """Row number -> name."""
    rows = session.connection().execute(select(col(Project.id), col(Project.name)).order_by(col(Project.id)))
    return dict(rows.all())


def open_tasks(session: Session) -> Iterator[tuple[int, int, int]]:
    """(project, open assignments, those of them that are leased)."""
    statement = (
        select(
            col(Assignment.project_id), func.count(), func.count().filter(col(Assignment.leased_until) > now(session))
        )
        .where(col(Assignment.state) == AssignmentState.OPEN)
        .group_by(col(Assignment.project_id))
    )
    yield from session.connection().execute(statement)


def last_batches(session: Session) -> dict[int, LastBatch]:
    """Project -> its newest batch."""
    newest = select(func.max(col(Batch.id))).group_by(col(Batch.project_id))
    time = now(session)
    rows = session.connection().execute(
        select(
            col(Batch.project_id), col(Batch.round), col(Batch.train_s), col(Batch.select_s), col(Batch.selected_at)
        ).where(col(Batch.id).in_(newest))
    )
    return {project: LastBatch(number, train_s, select_s, time - at) for project, number, train_s, select_s, at in rows}


def lane_lags(session: Session) -> Iterator[tuple[int, str, int, bool]]:
    """(project, room, runs asked for and not done, whether it is set aside)."""
    statement = select(
        col(Lane.project_id),
        col(Lane.room),
        col(Lane.requested) - col(Lane.completed),
        col(Lane.attempts) >= MOST_ATTEMPTS,
    ).order_by(col(Lane.project_id), col(Lane.room))
    for project, room, lag, aside in session.connection().execute(statement):
        yield project, room, lag, bool(aside)


def outbox(session: Session) -> Outbox:
    """How far the outbox is behind."""
    waiting, oldest = (
        session.connection()
        .execute(
            select(func.count(), func.min(col(OutboxEvent.created_at))).where(col(OutboxEvent.published_at).is_(None))
        )
        .one()
    )
    return Outbox(waiting, 0.0 if oldest is None else max(0.0, now(session) - oldest))


def labels(session: Session) -> dict[int, int]:
    """Project -> labeled items."""
    return _counts(session, Label)


def submissions(session: Session) -> dict[int, int]:
    """Project -> submissions."""
    return _counts(session, Submission)


def dead_letters(session: Session) -> dict[str, int]:
    """Project name -> refused messages that are kept; those that named none stand under an empty name."""
    statement = select(col(DeadLetter.project), func.count()).group_by(col(DeadLetter.project))
    return {name or "": count for name, count in session.connection().execute(statement)}


def drift_levels(session: Session) -> dict[int, str]:
    """Project -> level of its newest drift window."""
    newest = select(func.max(col(DriftReport.id))).group_by(col(DriftReport.project_id))
    rows = session.connection().execute(
        select(col(DriftReport.project_id), col(DriftReport.level)).where(col(DriftReport.id).in_(newest))
    )
    return dict(rows.all())


def _counts(session: Session, table: type[Label] | type[Submission]) -> dict[int, int]:
    statement = select(col(table.project_id), func.count()).group_by(col(table.project_id))
    return dict(session.connection().execute(statement).all())
