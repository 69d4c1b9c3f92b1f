"""When the watchdog takes a worker for wedged."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import psutil
import pytest

from workers.supervisor.watchdog import Sight, Step, Vigil, Watchdog

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


# One process that has imported the watchdog, and is forked for each test: a test's own has threads.
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["workers.supervisor.watchdog"])


Work = Callable[[Callable[[], None]], None]
"""What a worker does; it calls its argument when it is prepared."""


def be_watchdog(work: Work, grace_s: float, prepared: Connection) -> None:
    watchdog = Watchdog(lambda: work(lambda: prepared.send(os.getpid())), grace_s=grace_s)
    sys.exit(watchdog.watch(["training"], patience_s=600.0))


@contextmanager
def watched(work: Work, *, grace_s: float = 60.0) -> Iterator[tuple[BaseProcess, psutil.Process]]:
    """A watchdog and its worker."""
    ours, theirs = _server.Pipe(duplex=False)
    watchdog = _server.Process(target=be_watchdog, args=(work, grace_s, theirs))
    watchdog.start()
    yield watchdog, psutil.Process(ours.recv())
    watchdog.kill()


def exit_code(watchdog: BaseProcess) -> int | None:
    watchdog.join(30)
    return watchdog.exitcode


def finish(say: Callable[[], None]) -> None:
    say()


def fail(say: Callable[[], None]) -> None:
    say()
    sys.exit(3)


def die(say: Callable[[], None]) -> None:
    say()
    os.kill(os.getpid(), signal.SIGKILL)


def finish_when_told(say: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    say()
    time.sleep(60)


def be_deaf(say: Callable[[], None]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say()
    time.sleep(60)


@pytest.mark.parametrize(("work", "code"), [(finish, 0), (fail, 3), (die, 128 + 9)])
def test_a_watchdog_ends_as_its_worker_ended(work: Work, code: int) -> None:
    with watched(work) as (watchdog, _):
        assert exit_code(watchdog) == code


def test_a_worker_that_is_told_to_end_may_finish() -> None:
    with watched(finish_when_told) as (watchdog, _):
        assert watchdog.pid is not None
        os.kill(watchdog.pid, signal.SIGINT)
        assert exit_code(watchdog) == 7


@pytest.mark.parametrize(("grace_s", "signals"), [(0.3, 1), (60.0, 2)])
def test_one_that_does_not_finish_is_ended_after_its_grace_or_when_told_again(grace_s: float, signals: int) -> None:
    with watched(be_deaf, grace_s=grace_s) as (watchdog, worker):
        for _ in range(signals):
            watchdog.terminate()
            time.sleep(0.2)
        assert exit_code(watchdog) == os.EX_TEMPFAIL
        assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_a_worker_dies_with_its_watchdog() -> None:
    with watched(be_deaf) as (watchdog, worker):
        watchdog.kill()
        assert psutil.wait_procs([worker], timeout=10)[1] == []
