"""`quietcorner doctor --repair`: build anew in Redis what the database says should be there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import events, lanes
from shared.repository.assignments import open_assignments
from shared.repository.projects import all_projects
from shared.settings import Settings
from shared.streams import ANNOTATORS, INTAKE, SUBMISSIONS, ensure_group, reachable, tasks_key
from workers.context import Context, context
from workers.dispatch.tasks import publish_assignments
from workers.hints import send_hint, wake


@dataclass(frozen=True)
class Repair:
    """What was done for one part, or what a person has to do; `mend` is None when nothing is left to do."""

    name: str
    done: str
    mend: str | None = None


def repair(settings: Settings) -> Iterator[Repair]:
    """Make groups, queue tasks and send hints. What is there already is left alone, so that it can run at any time.

    Raises:
        RedisUnavailableError: Redis doesn't answer.
        DatabaseUnavailableError: the database doesn't.
    """
    held = context()
    with reachable(settings):
        held.redis.ping()
        names = _projects(held)
        yield _groups(held, list(names.values()))
        yield from (_tasks(held, number, name) for number, name in names.items())
        yield _hints(held)
    yield from _set_aside(held, names)


def _projects(held: Context) -> dict[int, str]:
    with held.database.read() as session:
        return {project.id: project.name for project in all_projects(session)}


def _groups(held: Context, names: list[str]) -> Repair:
    wanted = [(SUBMISSIONS, INTAKE), *((tasks_key(name), ANNOTATORS) for name in names)]
    made = sum(ensure_group(held.redis, key, group) for key, group in wanted)
    return Repair("consumer groups", f"{made} made, {len(wanted) - made} were there")


def _tasks(held: Context, project_id: int, name: str) -> Repair:
    """Bring the queue in line with the open assignments, as the sweep does."""
    before = _entries(held, project_id)
    with held.database.write() as session:
        lanes.request(session, project_id, lanes.DISPATCH)
    publish_assignments(project_id=project_id)
    after = _entries(held, project_id)
    listed = cast(list[tuple[bytes, object]], held.redis.xrange(tasks_key(name)))
    there = {entry.decode() for entry, _ in listed}
    missing = len(after - there)
    said = f"{len(after - before)} queued, {len(after & before & there)} were there"
    if missing:
        said += f", {missing} lost ones are held until their leases end and come back then"
    return Repair(f"tasks of {name}", said)


def _entries(held: Context, project_id: int) -> set[str]:
    with held.database.read() as session:
        return {row.stream_id for row in open_assignments(session, project_id) if row.stream_id is not None}


def _hints(held: Context) -> Repair:
    try:
        published = events.relay(held.database, send_hint)
        with held.database.read() as session:
            lagging = lanes.lagging(session)
        wake(lagging)
    except OperationalError as error:  # Celery's word for the same Redis
        raise RedisError(str(error)) from error
    return Repair("hints", f"{published} events published, {len(lagging)} lanes with work reminded of it")


def _set_aside(held: Context, names: dict[int, str]) -> Iterator[Repair]:
    """Say what no hint will start again, since it failed too often: that is for a person to decide."""
    with held.database.read() as session:
        rows = lanes.set_aside(session)
    for row in rows:
        name = names[row.project_id]
        said = f"set aside after {row.attempts} attempts: {row.error or 'its worker died each time'}"
        yield Repair(f"{row.room} of {name}", said, f"Find the reason, then: quietcorner batch next {name}")
