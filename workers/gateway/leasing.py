"""Leases over HTTP: read, renewed and given back on the same Redis stream on which annotation tools take theirs.

The stream's pending list is the one truth of who holds what. So nothing here can hand out an item that a tool holds,
or the other way round, and the sweep of `workers.dispatch` sees no difference between the two ways.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import redis
import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError, ResponseError
from sqlmodel import Session

from shared.contracts import TaskMessage
from shared.database import Database
from shared.repository.assignments import siblings
from shared.streams import ANNOTATORS, tasks_key
from shared.tables import Assignment, AssignmentState
from workers.dispatch.queue import remove_tasks

# Longer than any lease lasts (see `shared.project.Queue`), so that the next sweep finds it over.
_OVER_MS = 8 * 86_400_000
# Times that a task is passed on, as its lease number counts them, and tasks that one request passes on: nobody else can
# have them until the next sweep.
_PASSED_ON, _MOST_PASSED_ON = 3, 50
# Tasks that one annotator holds; of more, those beyond are not looked through for overlap.
_MOST_HELD = 10_000

_log = structlog.get_logger(__name__)


def take(client: redis.Redis, database: Database, project: str, *, annotator: str, most: int) -> list[TaskMessage]:
    """Lease the next tasks of a project to an annotator: the most wanted first, none where the queue is empty.

    Of an overlap item they get one task, and the others are passed on to other annotators. One that was passed on a few
    times is nobody else's, it seems, and is theirs.
    """
    taken: dict[str, TaskMessage] = {}
    read: dict[str, dict[bytes, bytes]] = {}
    passed = 0
    try:
        while len(taken) < most and passed < _MOST_PASSED_ON:
            read = _read(client, project, annotator=annotator, most=most - len(taken))
            if not read:
                break
            tasks = _parsed(client, project, read)
            theirs = _of_others(client, database, project, tasks, annotator=annotator, taken=taken)
            for entry in theirs:
                give_back(client, project, entry, annotator=annotator)
            passed += len(theirs)
            taken |= {entry: task for entry, task in tasks.items() if entry not in theirs}
    except BaseException:  # nobody is told that they hold these
        with suppress(RedisError):
            for entry in {**taken, **read}:
                give_back(client, project, entry, annotator=annotator)
        raise
    return list(taken.values())


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


def _read(client: redis.Redis, project: str, *, annotator: str, most: int) -> dict[str, dict[bytes, bytes]]:
    """The next entries of the tasks stream, now the annotator's."""
    key = tasks_key(project)
    try:
        read = client.xreadgroup(ANNOTATORS, annotator, {key: ">"}, count=most)
    except ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise
        return {}  # before the first batch, or just after Redis lost its data
    streams = cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], read)
    return {entry.decode(): fields for _, entries in streams for entry, fields in entries}


def _parsed(client: redis.Redis, project: str, read: Mapping[str, dict[bytes, bytes]]) -> dict[str, TaskMessage]:
    """Tasks by entry. What is none was put there by somebody else, and is taken off."""
    tasks = {}
    for entry, fields in read.items():
        try:
            tasks[entry] = TaskMessage.model_validate_json(fields.get(b"data", b""))
        except ValidationError as error:
            _log.warning("queue.no_task", project=project, entry=entry, problems=error.error_count())
            remove_tasks(client, project, [entry])
    return tasks


def _of_others(
    client: redis.Redis,
    database: Database,
    project: str,
    tasks: Mapping[str, TaskMessage],
    *,
    annotator: str,
    taken: Mapping[str, TaskMessage],
) -> set[str]:
    """Of tasks just read, by entry, those to be passed on: of overlap items of which the annotator holds or answered
    another one, or takes it now."""
    overlap = {entry: task for entry, task in tasks.items() if task.reason.overlap > 1}
    if not any(task.lease <= _PASSED_ON for task in overlap.values()):
        return set()
    with database.read() as session:
        found = siblings(session, [task.assignment for task in overlap.values()], annotator=annotator)
    beside = defaultdict(list)
    for one in found:
        beside[one.of].append(one)
    holds, hers = _held_by(client, project, annotator) - tasks.keys(), {task.assignment for task in taken.values()}
    others = set()
    for entry, task in overlap.items():
        had = any(one.answered or one.entry in holds or one.id in hers for one in beside[task.assignment])
        if had and task.lease <= _PASSED_ON:
            others.add(entry)
        else:
            hers.add(task.assignment)
    return others


def _held_by(client: redis.Redis, project: str, annotator: str) -> set[str]:
    """Entries of the tasks stream that an annotator holds, less those given back."""
    pending = client.xpending_range(tasks_key(project), ANNOTATORS, "-", "+", _MOST_HELD, consumername=annotator)
    return {
        entry["message_id"].decode()
        for entry in cast(list[dict[str, Any]], pending)
        if entry["time_since_delivered"] < _OVER_MS
    }
