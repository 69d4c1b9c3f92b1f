"""Leases over HTTP: read, renewed and given back on the same Redis stream on which annotation tools take theirs.

The stream's pending list is the one truth of who holds what. So nothing here can hand out an item that a tool holds,
or the other way round, and the sweep of `workers.dispatch` sees no difference between the two ways.
"""

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
from shared.repository.assignments import move_entries, siblings
from shared.streams import ANNOTATORS, tasks_key
from shared.tables import Assignment, AssignmentState
from workers.dispatch.queue import remove_tasks

# Longer than any lease lasts (see `shared.project.Queue`), so that the next sweep finds it over.
_OVER_MS = 8 * 86_400_000
# Who did nothing for so long is not there: a task waits for them no longer.
_COMPANY_MS = 600_000
# Tasks that one request passes on.
_MOST_PASSED_ON = 50
# Tasks that are held; of more, those beyond are not looked through for overlap.
_MOST_HELD = 10_000

# An entry to the end of its stream. Sent twice it does nothing the second time, so no task is there twice.
_MOVE = """
    if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return false end
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
    return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
"""

_log = structlog.get_logger(__name__)


def take(client: redis.Redis, database: Database, project: str, *, annotator: str, most: int) -> list[TaskMessage]:
    """Lease the next tasks of a project to an annotator: the most wanted first, none where the queue is empty.

    Of an overlap item they get one task; the others go back to the end of the queue as long as somebody is there who
    had none of them.
    """
    taken: dict[str, TaskMessage] = {}
    read: dict[str, dict[bytes, bytes]] = {}
    passed_on: set[int] = set()
    try:
        while len(taken) < most and len(passed_on) < _MOST_PASSED_ON:
            read = _read(client, project, annotator=annotator, most=most - len(taken))
            tasks = _parsed(client, project, read)
            others = _of_others(client, database, project, tasks, annotator=annotator, taken=taken)
            _pass_on(client, database, project, {entry: read[entry] for entry in others}, others)
            taken |= {entry: task for entry, task in tasks.items() if entry not in others}
            met_again = {task.assignment for task in others.values()} & passed_on
            passed_on |= {task.assignment for task in others.values()}
            if not read or met_again:
                break
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
) -> dict[str, TaskMessage]:
    """Of tasks just read, by entry, those of overlap items of which the annotator had another one, or takes it now, and
    somebody who is there had none."""
    overlap = {entry: task for entry, task in tasks.items() if task.reason.overlap > 1}
    company = _company(client, project) - {annotator} if overlap else set()
    if not company:
        return {}
    with database.read() as session:
        found = siblings(session, [task.assignment for task in overlap.values()])
    held, hers, others = _held(client, project), {task.assignment for task in taken.values()}, {}
    for entry, task in overlap.items():
        beside = [one for one in found if one.of == task.assignment]
        had = {one.annotator for one in beside} | {held.get(one.entry) for one in beside if one.entry not in tasks}
        if (annotator in had or any(one.id in hers for one in beside)) and company - had:
            others[entry] = task
        else:
            hers.add(task.assignment)
    return others


def _pass_on(
    client: redis.Redis,
    database: Database,
    project: str,
    read: Mapping[str, dict[bytes, bytes]],
    tasks: Mapping[str, TaskMessage],
) -> None:
    """Put entries that were read back at the end of the stream, under the same lease number.

    What dies in between leaves entries that the sweep finds, as those of any worker that dies after queueing.
    """
    moved: dict[int, tuple[str, str]] = {}
    for entry, fields in read.items():
        words = [word for field in fields.items() for word in field]
        new = client.eval(_MOVE, 1, tasks_key(project), ANNOTATORS, entry, *words)
        if new is not None:
            moved[tasks[entry].assignment] = entry, new.decode()
    if moved:
        with database.write() as session:
            move_entries(session, moved)


def _company(client: redis.Redis, project: str) -> set[str]:
    """Annotators who asked for tasks or renewed some lately."""
    known = client.xinfo_consumers(tasks_key(project), ANNOTATORS)
    return {one["name"].decode() for one in known if one["idle"] < _COMPANY_MS}


def _held(client: redis.Redis, project: str) -> dict[str | None, str]:
    """Who holds which entry of the tasks stream, less those given back."""
    pending = client.xpending_range(tasks_key(project), ANNOTATORS, "-", "+", _MOST_HELD)
    return {
        entry["message_id"].decode(): entry["consumer"].decode()
        for entry in cast(list[dict[str, Any]], pending)
        if entry["time_since_delivered"] < _OVER_MS
    }
