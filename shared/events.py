"""Events: what rooms tell each other, and the outbox through which they tell it.

An event is written in the transaction of its effect, and published afterwards as a hint: the task that it wakes looks
at the database for what there is to do. So an event that arrives twice, late or in another order does no harm, and one
that gets lost on the way is made good by the sweep.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlmodel import Session, col

from shared.among import among, several
from shared.crash_points import name_commit, reached
from shared.database import EMITS, Database, now
from shared.tables import OutboxEvent

# Published events are kept this long, as a short history for `status` and the demo.
_KEPT_S = 86_400.0
_AT_ONCE = 500

# Put together once: each answer leads to all three.
_EMIT = insert(OutboxEvent)
_WAITING = (
    select(col(OutboxEvent.id), col(OutboxEvent.event), col(OutboxEvent.project_id))
    .where(col(OutboxEvent.published_at).is_(None))
    .order_by(col(OutboxEvent.id))
    .limit(_AT_ONCE)
)
_PUBLISHED = (
    update(OutboxEvent)
    .where(among(OutboxEvent.id, several("these", int)), col(OutboxEvent.published_at).is_(None))
    .values(published_at=bindparam("time"))
)


class Event(StrEnum):
    """The names of all events."""

    ITEMS_ADDED = "items.added"
    ITEMS_EMBEDDED = "items.embedded"
    TEXTS_AUGMENTED = "texts.augmented"
    LABELS_SUBMITTED = "labels.submitted"
    MODEL_TRAINED = "model.trained"
    MODEL_EVALUATED = "model.evaluated"
    BATCH_SELECTED = "batch.selected"
    DRIFT_FOUND = "drift.found"
    LABELS_LOOKED_AT = "labels.looked_at"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_ENDED = "campaign.ended"


Send = Callable[[str, int], None]
"""Sends one hint: event name, project id."""


def emit(session: Session, event: Event, *, project_id: int, **payload: Any) -> None:
    """Write an event into the outbox, in the caller's transaction."""
    session.info[EMITS] = True
    row = {"project_id": project_id, "event": event, "payload": payload, "created_at": now(session)}
    session.connection().execute(_EMIT, row)


def relay(database: Database, send: Send) -> int:
    """Publish what lies in the outbox, oldest first; events of one name and project go out as one hint.

    An event is marked only after it was sent: a crash in between sends it twice, never not at all.

    Returns:
        How many events were published.
    """
    published, goes_on = 0, True
    while goes_on:
        with database.read() as session:
            waiting = session.connection().execute(_WAITING).all()
        if not waiting:
            break
        goes_on = len(waiting) == _AT_ONCE  # what came meanwhile, whoever wrote it publishes
        for event, project_id in dict.fromkeys((row.event, row.project_id) for row in waiting):
            reached("before-send.outbox", project_id)
            send(event, project_id)
            reached("after-send.outbox", project_id)
        with database.write() as session:
            name_commit(session, "outbox.publish")
            session.connection().execute(_PUBLISHED, {"these": [row.id for row in waiting], "time": now(session)})
        published += len(waiting)
    return published


def oldest_unpublished(session: Session) -> int | None:
    """Row number of the first event that waits in the outbox; None when there is none."""
    statement = select(func.min(col(OutboxEvent.id))).where(col(OutboxEvent.published_at).is_(None))
    return session.connection().execute(statement).scalar_one()


def forget_published(session: Session) -> None:
    """Drop events that were published more than a day ago.

    They are the oldest, as events are published in their order. So the look ends at the first that is kept: all of a
    day's are many, and others wait to write meanwhile.
    """
    before = now(session) - _KEPT_S
    kept = func.coalesce(col(OutboxEvent.published_at), before) >= before  # that no index answers: by their order
    first = select(col(OutboxEvent.id)).where(kept).order_by(col(OutboxEvent.id)).limit(1)
    first_kept = session.connection().execute(first).scalar_one_or_none()
    forgotten = delete(OutboxEvent).where(col(OutboxEvent.published_at) < before)
    if first_kept is not None:
        forgotten = forgotten.where(col(OutboxEvent.id) < first_kept)
    session.connection().execute(forgotten)
