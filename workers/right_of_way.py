"""Rounds go first: while one computes on this machine, work that nobody waits for pauses between its steps.

A lower priority alone leaves a watch or an audit a good part of a core on which a round could be done sooner. The sign
is the kernel's (flock): it goes when its holder goes, however it ends, and costs microseconds to look at.
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

_NAME = "rounds.lock"
_LOOK_S = 0.02
# Beyond, work goes on beside rounds, and may wait again for as long as it worked: where rounds follow each other it
# gets half of the time.
_MOST_S = 30.0


def _go_on() -> None:
    """What is not `behind` anything does not pause."""


_pause: ContextVar[Callable[[], None]] = ContextVar("pause", default=_go_on)


@contextmanager
def first(folder: Path) -> Iterator[None]:
    """Have others pause for the length of the block; several may go first at a time.

    Args:
        folder: The data folder of this machine's workers.
    """
    with _open(folder) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
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
    left_s, at = _MOST_S, clock()

    def wait() -> None:
        nonlocal left_s, at
        left_s = min(left_s + clock() - at, _MOST_S)
        while left_s > 0 and _is_taken(file):
            sleep(_LOOK_S)
            left_s -= _LOOK_S
        at = clock()

    with _open(folder) as file:
        before = _pause.set(wait)
        try:
            yield
        finally:
            _pause.reset(before)


def pause() -> None:
    """Between two steps: wait until nobody goes first, if this is work that does not. It changes no result."""
    _pause.get()()


def _is_taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _open(folder: Path) -> TextIO:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return (folder / _NAME).open("a", encoding="utf-8")
