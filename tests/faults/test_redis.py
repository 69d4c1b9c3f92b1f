"""Redis killed, emptied and silent under a running loop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from redis.exceptions import RedisError
from sqlalchemy import text

from shared import lanes
from shared.database import now
from shared.streams import tasks_key
from tests.faults.scene import Project, Scene
from tests.live import wait_for
from workers.app import app
from workers.hints import ROOM_TASKS

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.slow_faults]

_CONSUMING_AGAIN_S = 15.0
_SWEEP_S = 0.5
# The embedding worker may load its encoder first.
_ROOMS = (lanes.ROUND, lanes.DISPATCH, lanes.EVALUATE, lanes.CAMPAIGN)


def server(scene: Scene) -> psutil.Process:
    return next(each for each in scene.process.children() if "redis" in each.name())


def answers(scene: Scene) -> bool:
    try:
        return bool(scene.place.redis.ping())
    except RedisError:
        return False


@contextmanager
def nobody_claims(scene: Scene) -> Iterator[None]:
    """Every task waits in its claim for the length of the block."""
    with scene.database.write() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.connection().execute(text("LOCK TABLE lane IN ACCESS EXCLUSIVE MODE"))
        else:
            session.connection()
        yield


def fill_every_slot(scene: Scene, project: Project) -> None:
    """More hints on every queue than its workers can hold."""
    settings = scene.place.settings
    with app.connection_for_write(settings.broker_url) as connection:
        for _ in range(8):
            for task in ROOM_TASKS.values():
                app.send_task(task, kwargs={"project_id": project.id}, connection=connection)


@pytest.mark.fault("Redis killed while every worker is busy", "1, 4")
def test_redis_killed_while_every_worker_is_busy_is_consumed_from_again_within_15_s(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    with nobody_claims(scene):
        fill_every_slot(scene, project)
        time.sleep(2.0)
        server(scene).kill()
        time.sleep(1.0)
    wait_for(lambda: answers(scene), what="Redis to be back")
    since = time.monotonic()
    wanted = {room: project.request(room) for room in _ROOMS}
    wait_for(
        lambda: all(project.completed(room) >= number for room, number in wanted.items()),
        what="every queue to be consumed from",
        limit_s=_CONSUMING_AGAIN_S,
    )
    record_property("consuming again after (s)", round(time.monotonic() - since, 1))
    assert project.faults() == []
    project.retire()


def back_on_the_queue(scene: Scene, project: Project) -> bool:
    """Whether every assignment that nobody holds stands on the queue."""
    query = """
        SELECT stream_id, stream_id FROM assignment WHERE project_id = :id AND state = 'open'
        AND (leased_until IS NULL OR leased_until < :at)"""
    with scene.database.read() as session:
        given = {"id": project.id, "at": now(session)}
        wanted = {row[0] for row in session.connection().execute(text(query), given)}
    return wanted <= {entry.decode() for entry, _ in scene.place.redis.xrange(tasks_key(project.name))}


@pytest.mark.fault("`FLUSHALL` in the middle of a batch", "1, 3")
def test_redis_emptied_in_the_middle_of_a_batch_has_everything_back_within_two_sweeps(
    scene: Scene, record_property: Callable[[str, object], None]
) -> None:
    project = scene.project(items=200, batch_size=40)
    project.wait_for_batch(1)
    with project.annotators(3, think_s=2.0):
        time.sleep(3.0)
        flushed = time.monotonic()
        scene.place.redis.flushall()
        # Two sweeps, each with a task and a transaction of its own, on cores that others use as well.
        wait_for(lambda: back_on_the_queue(scene, project), what="the queue", limit_s=2 * _SWEEP_S + 4.0, every_s=0.02)
        record_property("queue back after (s)", round(time.monotonic() - flushed, 1))
        batches = project.batches()
    with project.annotators(10):
        project.wait_for_batch(batches + 1)
    assert project.faults(unseen=(flushed - 2 * _SWEEP_S, flushed)) == []
    project.retire()


@pytest.mark.fault("Redis silent with its connections open", "1, 2")
@pytest.mark.parametrize("silent_s", [8.0, 35.0])
def test_redis_that_keeps_silent_with_its_connections_open_is_consumed_from_when_it_speaks_again(
    scene: Scene, silent_s: float, record_property: Callable[[str, object], None]
) -> None:
    project = scene.project(items=200)
    project.wait_for_batch(1)
    with project.annotators(3):
        silent = server(scene)
        silent.suspend()
        time.sleep(silent_s)
        silent.resume()
        since, batches = time.monotonic(), project.batches()
        project.add_items(20)
        project.wait_for_batch(batches + 1, limit_s=_CONSUMING_AGAIN_S)
        record_property("next batch after (s)", round(time.monotonic() - since, 1))
    assert project.faults() == []
    project.retire()
