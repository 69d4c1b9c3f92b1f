"""A process killed before and after each commit, send and acknowledgement: the state goes on, and is as if it had not
been."""

import time
from collections.abc import Callable

import pytest

from shared import lanes
from tests.faults.scene import LANE_LEASE_S, START_S, Project, Scene
from tests.live import wait_for

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.slow_faults]

_LANES = [
    f"{side}-commit.{room}.{step}"
    for room in lanes.ROOMS
    for step in ("claim", "complete")
    for side in ("before", "after")
]
_OTHERS = [
    *(f"{side}-commit.{name}" for name in ("dispatch.check", "embed.confirm") for side in ("before", "after")),
    *(
        f"{side}-commit.{name}"
        for name in ("submissions.take", "outbox.publish", "sweep")
        for side in ("before", "after")
    ),
    *("before-send.outbox", "after-send.outbox"),
    *("before-xadd.dispatch", "after-xadd.dispatch"),
    *("after-read.listener", "before-receipts.listener", "before-xack.listener", "after-xack.listener"),
]


@pytest.fixture(scope="module")
def worked_on(scene_of_all: Scene) -> Project:
    """One project for all points; each brings in new items."""
    project = scene_of_all.project()
    project.wait_for_batch(1)
    return project


def room_of(point: str) -> str:
    """The lane to ask for one more run of, so that a worker comes to the point."""
    word = point.partition(".")[2].partition(".")[0]
    return word if word in lanes.ROOMS else lanes.DISPATCH


@pytest.mark.fault("a process killed before or after a commit, a send or an acknowledgement", "2, 3, 4")
@pytest.mark.parametrize("point", [*_LANES, *_OTHERS])
def test_a_process_killed_at_a_crash_point_leaves_a_state_from_which_all_goes_on(
    scene: Scene, worked_on: Project, point: str, record_property: Callable[[str, object], None]
) -> None:
    project = worked_on
    with project.annotators(2):
        project.add_items(20)
        scene.arm(point)
        wanted, room = project.request(room_of(point)), room_of(point)
        wait_for(lambda: scene.happened(point), what=f"a process to be killed at {point}", limit_s=90.0)
        since = time.monotonic()
        wait_for(lambda: project.completed(room) >= wanted, what=f"{room} to catch up", limit_s=LANE_LEASE_S + START_S)
        record_property("longest time to catch up (s)", round(time.monotonic() - since, 1))
        batches = project.batches()
        project.add_items(20)
        project.wait_for_batch(batches + 1)
    assert project.faults() == []


@pytest.mark.fault("a worker killed while it answers hints in vain", "4")
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_worker_killed_while_it_answers_hints_in_vain_costs_nothing(scene: Scene, side: str) -> None:
    project = scene.project()
    project.wait_for_batch(1)  # which nobody answers, so that no other is due
    point = f"{side}-commit.round.answer.{project.id}"
    scene.arm(point)
    project.add_items(10)
    wait_for(lambda: scene.happened(point), what=f"a worker to be killed at {point}", limit_s=90.0)
    wanted = project.request(lanes.ROUND)
    wait_for(lambda: project.completed(lanes.ROUND) >= wanted, what="the round's lane to catch up", limit_s=START_S)
    assert project.batches() == 1
    with project.annotators(2):
        project.wait_for_batch(2)
    assert project.faults() == []
    project.retire()
