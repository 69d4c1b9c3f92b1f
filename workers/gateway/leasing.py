"""Leases over HTTP: read, renewed and given back on the same Redis stream on which annotation tools take theirs.

The stream's pending list is the one truth of who holds what. So nothing here can hand out an item that a tool holds,
or the other way round, and the sweep of `workers.dispatch` sees no difference between the two ways.
"""

from typing import Any, cast

import redis
from redis.exceptions import ResponseError
from sqlmodel import Session

from shared.contracts import TaskMessage
from shared.streams import ANNOTATORS, tasks_key
from shared.tables import Assignment, AssignmentState

# Longer than any lease lasts (see `shared.project.Queue`), so that the next sweep finds it over.
_OVER_MS = 8 * 86_400_000


def take(client: redis.Redis, project: str, *, annotator: str, most: int) -> list[TaskMessage]:
    """Lease the next tasks of a project to an annotator: the most wanted first, none where the queue is empty."""
    key = tasks_key(project)
    try:
        read = client.xreadgroup(ANNOTATORS, annotator, {key: ">"}, count=most)
    except ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise
        return []  # before the first batch, or just after Redis lost its data
    return [
        TaskMessage.model_validate_json(fields[b"data"])
        for _, entries in cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], read)
        for _, fields in entries
    ]


def entry_of(session: Session, project_id: int, *, assignment: int, lease: int) -> str | None:
    """The stream entry behind an assignment under a lease number; None when that lease is over."""
    row = session.get(Assignment, assignment)
    if row is None or row.project_id != project_id or row.lease != lease or row.state != AssignmentState.OPEN:
        return None
    return row.stream_id


def renew(client: redis.Redis, project: str, entry: str, *, annotator: str) -> bool:
    """Hold a task for another lease time; False when the annotator does not hold it any more."""
    return _claim(client, project, entry, annotator=annotator, idle_ms=0)


def give_back(client: redis.Redis, project: str, entry: str, *, annotator: str) -> bool:
    """Let a lease be over, so that the next sweep queues the task anew; False when it was over already."""
    return _claim(client, project, entry, annotator=annotator, idle_ms=_OVER_MS)


def _claim(client: redis.Redis, project: str, entry: str, *, annotator: str, idle_ms: int) -> bool:
    key = tasks_key(project)
    try:
        held = cast(list[Any], client.xpending_range(key, ANNOTATORS, entry, entry, 1, consumername=annotator))
        if not held:
            return False
        claimed = client.xclaim(key, ANNOTATORS, annotator, 0, [entry], idle=idle_ms, justid=True)
    except ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise
        return False
    return bool(claimed)
