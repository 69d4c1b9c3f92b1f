"""Queries on drift alarms: raised once a channel and scope, live until they are over, acknowledged by a person."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from shared.database import now
from shared.drift_tables import DriftAlarm
from shared.errors import InvalidInputError


def live_alarms(session: Session, project_id: int, *, channels: Collection[str] | None = None) -> list[DriftAlarm]:
    """Alarms that are not over, the oldest first; only those of some channels where these are given."""
    statement = select(DriftAlarm).where(col(DriftAlarm.project_id) == project_id, col(DriftAlarm.closed_at).is_(None))
    if channels is not None:
        statement = statement.where(col(DriftAlarm.channel).in_(channels))
    return list(session.exec(statement.order_by(col(DriftAlarm.id))))


def all_alarms(session: Session, project_id: int) -> list[DriftAlarm]:
    """All alarms of a project, the oldest first."""
    statement = select(DriftAlarm).where(col(DriftAlarm.project_id) == project_id).order_by(col(DriftAlarm.id))
    return list(session.exec(statement))


def raise_alarm(
    session: Session,
    project_id: int,
    *,
    channel: str,
    scope: str = "",
    level: str,
    share: float,
    why: str,
    details: dict[str, Any],
    report: int | None = None,
) -> DriftAlarm | None:
    """Write a new alarm; None, and nothing is written, where one of this channel and scope is live."""
    if any(alarm.scope == scope for alarm in live_alarms(session, project_id, channels=(channel,))):
        return None
    alarm = DriftAlarm(
        project_id=project_id,
        channel=channel,
        scope=scope,
        level=level,
        share=share,
        why=why,
        details=details,
        report=report,
        opened_at=now(session),
    )
    session.add(alarm)
    session.flush()
    return alarm


def close_alarm(session: Session, alarm: DriftAlarm, *, reason: str) -> None:
    """Write down that an alarm is over, and why."""
    alarm.closed_at, alarm.end_reason = now(session), reason
    session.add(alarm)


def close_of_items(session: Session, project_id: int, *, reason: str) -> None:
    """End all live alarms that windows of items raised, as a new reference does."""
    session.connection().execute(
        update(DriftAlarm)
        .where(
            col(DriftAlarm.project_id) == project_id,
            col(DriftAlarm.closed_at).is_(None),
            col(DriftAlarm.report).is_not(None),
        )
        .values(closed_at=now(session), end_reason=reason)
    )


def acknowledge(session: Session, project_id: int, alarm_id: int, *, why: str | None) -> DriftAlarm:
    """Write down that a person has seen a live alarm: it stays live, and calls for nothing more.

    Raises:
        InvalidInputError: the project has no such alarm, or it is over.
    """
    alarm = session.get(DriftAlarm, alarm_id)
    if alarm is None or alarm.project_id != project_id:
        raise InvalidInputError(f"there is no alarm {alarm_id} in this project; `quietcorner drift NAME` lists them")
    if alarm.closed_at is not None:
        raise InvalidInputError(f"alarm {alarm_id} is over already: {alarm.end_reason}")
    alarm.acknowledged_at, alarm.acknowledged_why = now(session), why
    session.add(alarm)
    return alarm
