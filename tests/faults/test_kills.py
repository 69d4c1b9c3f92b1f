"""Real kills of real processes: nothing is lost, and the loop goes on by itself."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from tests.live import LiveProject, Place, Running, child, kill, wait_for
from tests.live_loop.test_loop import start_project

pytestmark = [pytest.mark.live, pytest.mark.faults]


def no_item_twice(project: LiveProject) -> bool:
    repeated = "SELECT item FROM assignment JOIN me ON me.id = project_id GROUP BY item HAVING count(*) > 1"
    return project.query(repeated) == []


@pytest.mark.fault("a worker killed in the middle of a round", "3, 4")
def test_a_worker_killed_in_the_middle_of_a_round_costs_a_lease_time_and_nothing_else(
    running: Running, tmp_path: Path
) -> None:
    project = start_project(running, tmp_path, name="killed", items=300)
    held = "room = 'round' AND owner IS NOT NULL"
    killed = answered = 0
    for number in range(1, 4):
        project.wait_for_batch(number)
        answered += project.answer_all()
        try:
            wait_for(lambda: project.count("lane", held), what="a round to begin", limit_s=3.0, every_s=0.001)
        except AssertionError:
            continue  # it was over before we looked
        kill(child(running.process, "worker", "training"))
        killed += 1
    assert killed
    project.wait_for_batch(4)
    wait_for(lambda: project.count("label") == answered, what="every answer to be a label")
    assert no_item_twice(project)
    rounds = [number for (number,) in project.query("SELECT round FROM batch JOIN me ON me.id = project_id ORDER BY 1")]
    assert rounds == list(range(1, len(rounds) + 1))


@pytest.mark.fault("Redis killed in the middle of a round", "1, 3")
def test_redis_killed_in_the_middle_of_a_round_neither_costs_its_batch_nor_repeats_one(
    running: Running, tmp_path: Path
) -> None:
    project = start_project(running, tmp_path, name="severed", items=300)
    held = "room = 'round' AND owner IS NOT NULL"
    number = answered = 0
    severed = False
    while not severed and number < 8:
        number += 1
        project.wait_for_batch(number)
        answered += project.answer_all()
        with suppress(AssertionError):  # it was over before we looked
            wait_for(lambda: project.count("lane", held), what="a round to begin", limit_s=3.0, every_s=0.001)
            severed = True
    assert severed
    next(each for each in running.process.children() if "redis" in each.name()).kill()
    wait_for(lambda: answers(running.place), what="Redis to be back")
    project.wait_for_batch(number + 1)
    answered += project.answer_all()
    project.wait_for_batch(number + 2)
    wait_for(lambda: project.count("label") == answered, what="every answer to be a label")
    assert no_item_twice(project)
    rounds = [number for (number,) in project.query("SELECT round FROM batch JOIN me ON me.id = project_id ORDER BY 1")]
    assert rounds == list(range(1, len(rounds) + 1))


@pytest.mark.fault("the database locked for longer than a lease", "2, 4")
def test_a_database_locked_for_seconds_delays_the_loop_and_nothing_else(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="locked", items=300)
    project.wait_for_batch(1)
    database = running.place.database
    with database.write() as session:
        session.connection()  # takes SQLite's only write lock
        answered = project.answer_all()
        time.sleep(4.0)  # longer than a lane's lease
    database.close()
    project.wait_for_batch(2)
    wait_for(lambda: project.count("label") == answered, what="every answer to be a label")
    assert no_item_twice(project)
    assert running.place.query("SELECT count(*) FROM lane WHERE attempts > 1")[0][0] == 0


@pytest.mark.fault("the listener killed with answers in hand", "2")
def test_a_listener_killed_with_answers_in_hand_loses_none(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="listener", items=120)
    answered = 0
    for number in range(1, 4):
        project.wait_for_batch(number)
        answered += project.answer_all()
        kill(child(running.process, "listen"))
        wait_for(lambda: project.count("label") == answered, what="every answer to be a label")  # noqa: B023 - called at once


@pytest.mark.fault("Redis loses everything", "1")
def test_redis_losing_everything_loses_no_label_and_the_queue_comes_back(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="flushed")
    project.wait_for_batch(1)
    running.place.redis.flushall()
    project.wait_for_batch(1)
    assert project.answer_all() >= 10
    project.wait_for_batch(2)
    assert no_item_twice(project)


def answers(place: Place) -> bool:
    try:
        return bool(place.redis.ping())
    except RedisError:
        return False
