"""Workers that help another and are killed."""

import re
import time
from pathlib import Path

import psutil
import pytest

from scripts.tickets import tickets
from tests.live import Running, child, kill, wait_for
from tests.live_loop.test_sharing import (
    another_worker,
    has_vectors_of_one_worker,
    is_embedded,
    let_both_load,
    logs_of,
    make,
)
from workers.embedding.segments import RUN

pytestmark = [pytest.mark.live, pytest.mark.faults]

_RUNS = 6
_TASK = re.compile(r"Task embedding\.(\w+)\S* (\w+)")


@pytest.mark.fault("a worker killed while it helps another", "4, 6")
@pytest.mark.slow_faults
def test_a_helper_killed_in_the_middle_of_a_part_costs_seconds_and_nothing_else(
    running: Running, tmp_path: Path
) -> None:
    rows = [ticket.row() for ticket in tickets((_RUNS + 2) * RUN, seed=9)]
    ours, theirs = logs_of(running), tmp_path / "worker.log"
    with another_worker(running, theirs) as worker:
        let_both_load(running, tmp_path, (ours, theirs), rows[: 2 * RUN])
        workers = {ours: child(running.process, "worker", "embedding"), theirs: worker}
        project = make(running, tmp_path, rows[2 * RUN :], name="helper-killed")
        helper = wait_for(lambda: helping(workers), what="one to help the other", limit_s=60)[0]
        time.sleep(0.5)  # of the seconds that its part takes
        kill(helper)
        wait_for(lambda: is_embedded(project), what="all vectors", limit_s=120)
    assert any("part.missed" in log.read_text() for log in (ours, theirs))
    assert all(has_vectors_of_one_worker(project, rows, run=run) for run in range(_RUNS))
    assert project.count("lane", "room = 'embed' AND error IS NOT NULL") == 0


def helping(workers: dict[Path, psutil.Process]) -> list[psutil.Process]:
    """Who has a seat just now, by what its log says."""
    last = {log: (_TASK.findall(log.read_text()) or [None])[-1] for log in workers}
    return [one for log, one in workers.items() if last[log] == ("encode_part", "received")]
