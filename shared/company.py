"""Who works beside whom in one process: work whose last holder died works alone, any other in company.

When a process is killed, everything that it was at seems to have failed. So that work which kills takes no other with
it each time, and is alone counted for it, it is tried again with nothing beside it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# What kills does so soon. Longer than this nobody waits for work that may only hang.
LONGEST_ALONE_S = 30.0


class Company:
    """The threads of a process that are at work."""

    def __init__(self) -> None:
        """Nobody is."""
        self._changed = threading.Condition()
        self._together = 0
        self._one_alone = False

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Work beside others, as soon as nobody is alone."""
        with self._changed:
            self._changed.wait_for(self._nobody_is_alone, LONGEST_ALONE_S)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work alone, as soon as those who are at work are done; nobody begins meanwhile."""
        with self._changed:
            self._changed.wait_for(self._nobody_is_alone)
            self._one_alone = True
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._together, LONGEST_ALONE_S)
            yield
        finally:
            with self._changed:
                self._one_alone = False
                self._changed.notify_all()

    def _nobody_is_alone(self) -> bool:
        return not self._one_alone
