"""Rounds go first: while one computes on this machine, work that nobody waits for pauses between its steps.

A lower priority alone leaves a watch or an audit a good part of a core on which a round could be done sooner. The sign
is the kernel's (flock): it goes when its holder goes, however it ends, and costs microseconds to look at.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import TextIO

import structlog

_NAME = "rounds.lock"
_LOOK_S = 0.02
# Beyond, work goes on beside rounds, and may wait again for as long as it worked: where rounds follow each other it
# gets half of the time.
_MOST_S = 30.0
_TRIES = 50

_log = structlog.get_logger(__name__)


def _go_on() -> None:
    """What is not `behind` anything does not pause."""


_pause: ContextVar[Callable[[], None]] = ContextVar("pause", default=_go_on)


@contextmanager
def first(folder: Path) -> Iterator[None]:
    """Have others pause for the length of the block; several may go first at a time.

    Where the lock can't be had (a file system without any, a holder that is stopped) it is done without: slower.

    Args:
        folder: The data folder of this machine's workers.
    """
    with ExitStack() as stack:
        try:
            _share(stack.enter_context(_open(folder)))
        except OSError as error:
            _log.warning("right_of_way.not_had", error=str(error))
        yield


@contextmanager
def behind(
    folder: Path, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Let `pause` wait for those that go first, for the length of the block.

    Args:
        folder: The data folder of this machine's workers.
        sleep: Waits for so many seconds.
        clock: Tells the time in seconds.
    """
    left_s, waited_at, one_waits = _MOST_S, clock(), Lock()

    def wait() -> None:
        nonlocal left_s, waited_at
        with one_waits, ExitStack() as stack:  # of several threads the others wait for it
            left_s = min(left_s + clock() - waited_at, _MOST_S)
            try:
                file = stack.enter_context(_open(folder))
                while left_s > 0 and _is_taken(file):
                    sleep(_LOOK_S)
                    left_s -= _LOOK_S
            except OSError as error:
                _log.warning("right_of_way.not_seen", error=str(error))
            waited_at = clock()

    before = _pause.set(wait)
    try:
        yield
    finally:
        _pause.reset(before)


def pause() -> None:
    """Between two steps: wait until nobody goes first, if this is work that does not. It changes no result."""
    _pause.get()()


def _share(file: TextIO) -> None:
    """Take the lock with others; who looks whether it is taken has it for a moment."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return
    raise TimeoutError("another process holds the lock for itself")


def _is_taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _open(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return (folder / _NAME).open("a+", encoding="utf-8")
