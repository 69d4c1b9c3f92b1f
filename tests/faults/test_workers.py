"""Workers that are killed, stopped, poisoned, hang or are told to end."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from shared import lanes
from tests.faults.scene import (
    LANE_LEASE_S,
    SOFT_SHUTDOWN_S,
    START_S,
    Project,
    Scene,
    running_scene,
)
from tests.live import ROOT, child, kill, wait_for

pytestmark = [pytest.mark.live, pytest.mark.faults]

_KILLS = 50
# Where workers hang: for so long a step may show nothing, and a worker leave work lying. Longer than it takes to start
# one and to load its encoder.
_STEP_PATIENCE_S, _WORKER_PATIENCE_S = 45.0, 35.0


@pytest.fixture
def impatient(database_folder: tuple[Path, dict[str, str]]) -> Iterator[Scene]:
    """A scene that does not wait for long for what hangs."""
    folder, environment = database_folder
    patience = {
        "QUIETCORNER_STEP_PATIENCE_S": str(_STEP_PATIENCE_S),
        "QUIETCORNER_WORKER_PATIENCE_S": str(_WORKER_PATIENCE_S),
    }
    with running_scene(folder, **environment, **patience) as scene:
        yield scene


def stopped(scene: Scene) -> list[psutil.Process]:
    return [each for each in scene.process.children(recursive=True) if each.status() == psutil.STATUS_STOPPED]


def kill_one_of(scene: Scene, rng: random.Random) -> bool:
    """Kill a worker, the listener or beat with all that it started; False where none runs just now."""
    with suppress(psutil.NoSuchProcess):  # a zombie is none either
        running = [each for each in scene.process.children() if each.status() != psutil.STATUS_ZOMBIE]
        # One that ends just now has no command line left.
        victims = [each for each in running if "".join(each.cmdline()[:1]).startswith(("quietcorner ", "[celery "))]
        if victims:
            kill(rng.choice(victims))
        return bool(victims)
    return False


def goes_on(project: Project) -> None:
    """Another batch comes when items and answers do."""
    batches = project.batches()
    with project.annotators(2):
        project.add_items(20)
        project.wait_for_batch(batches + 1)


@pytest.mark.fault("a worker killed between queueing tasks and writing it down", "3")
@pytest.mark.slow_faults
def test_a_task_that_was_queued_and_not_written_down_is_not_handed_to_a_second_annotator(scene: Scene) -> None:
    project = scene.project(items=60)
    scene.arm(f"after-xadd.dispatch.{project.id}")
    with project.annotators(1, think_s=12.0), project.annotators(1):
        wait_for(lambda: scene.happened(f"after-xadd.dispatch.{project.id}"), what="a kill", limit_s=START_S)
        project.wait_for_batch(3)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("50 kills of workers, listener and beat under 20 annotators", "2, 3, 4, 8")
@pytest.mark.slow_faults
def test_a_storm_of_kills_loses_nothing_and_breaks_nothing(scene: Scene) -> None:
    rng = random.Random(11)  # noqa: S311 - chooses victims, guards nothing
    project = scene.project(items=400)
    killed = 0
    with project.annotators(20, delay_s=0.3):
        project.wait_for_batch(1)
        while killed < _KILLS:
            killed += kill_one_of(scene, rng)
            if killed % 10 == 0:
                project.add_items(40)
            time.sleep(rng.uniform(0.2, 1.2))
        batches = project.batches()
        project.add_items(40)
        project.wait_for_batch(batches + 2, limit_s=120.0)
    assert project.faults() == []
    assert project.scalar("SELECT max(attempts) FROM lane WHERE project_id = :id") < lanes.MOST_ATTEMPTS
    project.retire()


@pytest.mark.fault("a worker stopped past its lease, which wakes and commits", "3, 4")
@pytest.mark.slow_faults
def test_a_worker_stopped_past_its_lease_writes_nothing_when_it_wakes(scene: Scene) -> None:
    project = scene.project()
    project.wait_for_batch(1)
    log = scene.place.settings.folder / "logs" / "training.log"
    told = log.read_text().count("lane.lost")
    point = f"after-commit.round.claim.{project.id}"
    command = [sys.executable, "-m", "workers.cli", "worker", "--queues", "training"]
    with log.with_name("second.log").open("ab") as output:
        scene.arm(point, "SIGSTOP")
        wanted = project.request(lanes.ROUND)
        wait_for(lambda: scene.happened(point) and stopped(scene), what="a worker to be stopped", limit_s=START_S)
        second = subprocess.Popen(command, env=scene.place.environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_for(lambda: project.completed(lanes.ROUND) >= wanted, what="the other worker to do it", limit_s=START_S)
        written = project.written()
        for each in stopped(scene):
            each.resume()
        wait_for(lambda: log.read_text().count("lane.lost") > told, what="the late commit", limit_s=START_S)
        assert project.written() == written
    finally:
        second.terminate()
        second.wait(60)
    goes_on(project)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("a worker stopped for good", "4")
@pytest.mark.slow_faults
def test_a_stopped_worker_is_ended_by_its_watchdog_and_its_work_is_done_again(
    impatient: Scene, record_property: Callable[[str, object], None]
) -> None:
    scene = impatient
    project = scene.project()
    project.wait_for_batch(1)
    point = f"after-commit.round.claim.{project.id}"
    before = child(scene.process, "worker", "training")
    scene.arm(point, "SIGSTOP")
    wanted, since = project.request(lanes.ROUND), time.monotonic()
    wait_for(lambda: scene.happened(point) and stopped(scene), what="a worker to be stopped", limit_s=START_S)
    limit_s = LANE_LEASE_S + 2 * _WORKER_PATIENCE_S + START_S
    wait_for(lambda: project.completed(lanes.ROUND) >= wanted, what="the round to be done again", limit_s=limit_s)
    record_property("work resumed (s)", round(time.monotonic() - since, 1))
    assert not before.is_running()
    assert "training ended (exit code 70)" in scene.said()
    goes_on(project)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("work that kills its worker each time", "4")
@pytest.mark.slow_faults
@pytest.mark.parametrize(
    ("room", "point"),
    [
        (lanes.EMBED, "after-commit.embed.claim"),
        (lanes.ROUND, "before-commit.round.complete"),
        (lanes.DISPATCH, "before-xadd.dispatch"),
    ],
)
def test_what_kills_its_worker_each_time_is_set_aside_and_shown_while_other_projects_go_on(
    scene: Scene, room: str, point: str
) -> None:
    poisoned, other = scene.project(items=40), scene.project(items=60)
    poisoned.wait_for_batch(1)
    # A round is claimed for sure where one is due, so where answers come.
    with other.annotators(2), poisoned.annotators(int(room == lanes.ROUND)):
        poisoned.add_items(10)
        poisoned.ask(room)
        times = scene.keep_armed(
            f"{point}.{poisoned.id}", "SIGKILL", until=lambda: room in poisoned.set_aside(), limit_s=280.0
        )
        batches = other.batches()
        other.add_items(40)
        other.wait_for_batch(batches + 1)
    assert times == lanes.MOST_ATTEMPTS
    assert scene.place.facts("status", poisoned.name)["lanes"][room]["attempts"] == lanes.MOST_ATTEMPTS
    assert f"{room}: set aside after {lanes.MOST_ATTEMPTS} attempts" in scene.place.run("status", poisoned.name).stdout
    assert other.faults() == []
    assert poisoned.faults() == []
    poisoned.retire()
    other.retire()


@pytest.mark.fault("an answer that kills its reader each time", "2")
@pytest.mark.slow_faults
def test_an_answer_that_kills_its_reader_each_time_is_refused_and_the_others_go_on(scene: Scene) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    buried = "SELECT count(*) FROM deadletter WHERE reason LIKE 'read % times and never finished'"
    before = project.scalar(buried)
    point = f"before-commit.submissions.take.{project.id}"
    with project.annotators(1):
        scene.keep_armed(point, "SIGKILL", until=lambda: project.scalar(buried) > before, limit_s=280.0)
    assert project.scalar("SELECT count(*) FROM submission WHERE project_id = :id") > 0
    goes_on(project)
    assert [fault for fault in project.faults() if "never finished" not in fault] == []
    project.retire()


@pytest.mark.fault("work that hangs", "4")
@pytest.mark.slow_faults
@pytest.mark.parametrize(
    ("room", "point"),
    [
        pytest.param(lanes.ROUND, "after-commit.round.claim", id="without a sign of life"),
        pytest.param(lanes.DISPATCH, "after-commit.dispatch.check", id="with its lease renewed"),
    ],
)
def test_a_step_that_hangs_ends_its_process_and_is_done_again(impatient: Scene, room: str, point: str) -> None:
    scene = impatient
    project = scene.project(items=60)
    project.wait_for_batch(1)
    scene.arm(f"{point}.{project.id}", "HANG")
    wanted = project.ask(room)
    wait_for(lambda: scene.happened(f"{point}.{project.id}"), what="a worker to hang", limit_s=START_S)
    limit_s = _STEP_PATIENCE_S + _WORKER_PATIENCE_S + LANE_LEASE_S + START_S
    wait_for(lambda: project.completed(room) >= wanted, what="the work to be done again", limit_s=limit_s)
    goes_on(project)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("SIGTERM in the middle of a round", "4")
@pytest.mark.slow_faults
def test_a_worker_told_to_end_in_the_middle_of_a_round_ends_soon_and_the_round_is_done_again(scene: Scene) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    point = f"after-commit.round.claim.{project.id}"
    scene.arm(point, "HANG")
    wanted = project.request(lanes.ROUND)
    wait_for(lambda: scene.happened(point), what="a round to begin", limit_s=START_S)
    worker = child(scene.process, "worker", "training")
    worker.terminate()
    wait_for(lambda: not worker.is_running(), what="the worker to end", limit_s=SOFT_SHUTDOWN_S + 5.0)
    limit_s = LANE_LEASE_S + START_S
    wait_for(lambda: project.completed(lanes.ROUND) >= wanted, what="the round to be done again", limit_s=limit_s)
    goes_on(project)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("`up` killed with -9 in the middle of a round", "4")
@pytest.mark.slow_faults
def test_after_kill_9_of_up_in_the_middle_of_a_round_the_next_up_goes_on(
    database_folder: tuple[Path, dict[str, str]],
) -> None:
    folder, environment = database_folder
    with running_scene(folder, **environment) as scene:
        project = scene.project(items=60)
        project.wait_for_batch(1)
        scene.arm(f"after-commit.round.claim.{project.id}", "HANG")
        wanted = project.request(lanes.ROUND)
        wait_for(
            lambda: scene.happened(f"after-commit.round.claim.{project.id}"), what="a round to begin", limit_s=START_S
        )
        family = scene.process.children(recursive=True)
        scene.process.kill()
        assert psutil.wait_procs(family, timeout=30)[1] == []
        with scene.up_again():
            wait_for(lambda: project.completed(lanes.ROUND) >= wanted, what="the round", limit_s=START_S)
            goes_on(project)
        assert project.faults() == []
