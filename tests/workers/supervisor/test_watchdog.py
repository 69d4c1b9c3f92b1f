"""When the watchdog takes a worker for wedged."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from workers.supervisor.watchdog import Sight, Step, Vigil

WAITING = Sight(waiting=True, working=False, done=(5, None))


def verdicts(*sights: Sight | None, every_s: float = 10.0, patience_s: float = 60.0) -> list[Step]:
    vigil = Vigil(patience_s)
    return [vigil.judge(sight, time=100.0 + number * every_s) for number, sight in enumerate(sights)]


def test_work_that_lies_is_first_hinted_at_once_more_and_then_the_worker_ends() -> None:
    steps = verdicts(*[WAITING] * 9)
    assert steps[:4] == [Step.NOTHING] * 4
    assert steps[4:] == [Step.REMIND, Step.NOTHING, Step.NOTHING, Step.END, Step.END]


def test_a_worker_without_work_is_left_alone() -> None:
    assert set(verdicts(*[Sight(waiting=False, working=False, done=(5, None))] * 20)) == {Step.NOTHING}


def test_a_worker_at_work_is_left_alone_however_much_waits() -> None:
    assert set(verdicts(*[Sight(waiting=True, working=True, done=(5, None))] * 20)) == {Step.NOTHING}


def test_anything_that_gets_done_is_progress() -> None:
    lanes = [Sight(waiting=True, working=False, done=(number, None)) for number in range(20)]
    outbox = [Sight(waiting=True, working=False, done=(5, number)) for number in range(20)]
    assert set(verdicts(*lanes) + verdicts(*outbox)) == {Step.NOTHING}


def test_time_without_database_or_redis_does_not_count() -> None:
    assert set(verdicts(*[WAITING] * 3, *[None] * 10, *[WAITING] * 3)) == {Step.NOTHING}


def test_time_for_which_the_process_was_stopped_does_not_count() -> None:
    vigil = Vigil(60.0)
    assert [vigil.judge(WAITING, time=time) for time in (100.0, 110.0, 500.0, 510.0)] == [Step.NOTHING] * 4


_WORKER = """
import os, sys, time
from workers.supervisor.watchdog import Watchdog

def work():
    print(os.getpid(), flush=True)
    exec(sys.argv[1])

sys.exit(Watchdog(work).watch(["training"], patience_s=600.0, grace_s=float(sys.argv[2])))
"""


@contextmanager
def watched(script: str, *, grace_s: float = 60.0) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """A watchdog and its worker, which runs a script."""
    command = [sys.executable, "-c", _WORKER, script, str(grace_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watchdog:
        assert watchdog.stdout is not None
        yield watchdog, psutil.Process(int(watchdog.stdout.readline()))
        watchdog.kill()


@pytest.mark.parametrize(
    ("script", "code"), [("sys.exit(0)", 0), ("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + 9)]
)
def test_a_watchdog_ends_as_its_worker_ended(script: str, code: int) -> None:
    with watched(script) as (watchdog, _):
        assert watchdog.wait(30) == code


def test_a_worker_that_is_told_to_end_may_finish() -> None:
    finish = "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print(1, flush=True); time.sleep(9)"
    with watched(finish) as (watchdog, _):
        assert watchdog.stdout is not None
        watchdog.stdout.readline()
        watchdog.send_signal(signal.SIGINT)
        assert watchdog.wait(30) == 7


@pytest.mark.parametrize(("grace_s", "signals"), [(0.3, 1), (60.0, 2)])
def test_one_that_does_not_finish_is_ended_after_its_grace_or_when_told_again(grace_s: float, signals: int) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    with watched(deaf, grace_s=grace_s) as (watchdog, worker):
        assert watchdog.stdout is not None
        watchdog.stdout.readline()
        for _ in range(signals):
            watchdog.terminate()
            time.sleep(0.2)
        assert watchdog.wait(30) == os.EX_TEMPFAIL
        assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_a_worker_dies_with_its_watchdog() -> None:
    with watched("time.sleep(60)") as (watchdog, worker):
        watchdog.kill()
        assert psutil.wait_procs([worker], timeout=10)[1] == []
