"""Two of everything, and clocks an hour apart: more of a kind does no harm."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.scene import Scene
from tests.live import ROOT, child, wait_for

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.slow_faults]

# A hint's sender says when it expires, by its own clock, which `app.now` is to Celery.
_AN_HOUR_BEHIND = """
import datetime, sys
from workers.app import app
now = app.now
app.now = lambda: now() - datetime.timedelta(hours=1)
from workers.cli import main
main()
"""


@contextmanager
def second(scene: Scene, *arguments: str) -> Iterator[None]:
    """One more process of a kind, whose clock is an hour behind, for the length of the block."""
    log = scene.place.settings.folder / "logs" / f"second-{arguments[0]}.log"
    with log.open("ab") as output:
        command = [sys.executable, "-c", _AN_HOUR_BEHIND, *arguments]
        started = subprocess.Popen(command, env=scene.place.environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
        assert started.poll() is None
    finally:
        started.terminate()
        started.wait(60)


@pytest.mark.fault("two beats, listeners and workers of each queue, one set with its clock an hour behind", "3, 4")
def test_two_of_every_process_with_clocks_an_hour_apart_do_the_work_once(scene: Scene) -> None:
    project = scene.project(items=200)
    with ExitStack() as doubles:
        for arguments in (["beat"], ["listen"], ["worker", "--queues", "intake"], ["worker", "--queues", "training"]):
            doubles.enter_context(second(scene, *arguments))
        with project.annotators(6):
            for _ in range(3):
                batches = project.batches()
                project.add_items(20)
                project.wait_for_batch(batches + 2)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("the only beat with its clock an hour behind", "4")
def test_a_beat_whose_clock_is_an_hour_behind_sets_off_sweeps_that_are_taken(scene: Scene) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    beat = child(scene.process, "beat")
    with second(scene, "beat"):
        beat.suspend()
        try:
            wanted = project.request("round")
            wait_for(lambda: project.completed("round") >= wanted, what="a sweep that is taken", limit_s=30.0)
        finally:
            beat.resume()
    assert project.faults() == []
    project.retire()
