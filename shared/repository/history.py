"""The history: who changed what. Entries are only ever added."""

import getpass
import socket
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, select

from shared.access_tables import RecordedChange
from shared.database import now


class What(StrEnum):
    """The names of all changes that are recorded."""

    PROJECT_CREATED = "project.created"
    PROJECT_UPDATED = "project.updated"
    TOKEN_CREATED = "token.created"  # noqa: S105 - the name of a change, no secret
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 - the same
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_STOPPED = "campaign.stopped"
    REFERENCE_SET = "reference.set"
    ALARM_ACKNOWLEDGED = "alarm.acknowledged"
    QUARANTINE_RELEASED = "quarantine.released"
    RESTORED = "database.restored"


def operator() -> str:
    """Who sits at this command line: the account and the machine, as far as they say who they are."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        account = "unknown"
    return f"{account}@{socket.gethostname()}"


def record(session: Session, what: What, *, project: str | None, who: str, **details: Any) -> None:
    """Write down a change, in the transaction that makes it; `project` is None where it concerns all."""
    session.add(RecordedChange(project=project, who=who, what=what, details=details, at=now(session)))


def changes_of(session: Session, project: str) -> list[RecordedChange]:
    """Changes of a project, and those that concern all projects, the oldest first."""
    statement = select(RecordedChange).where(
        col(RecordedChange.project).is_(None) | (col(RecordedChange.project) == project)
    )
    return list(session.exec(statement.order_by(col(RecordedChange.id))))
