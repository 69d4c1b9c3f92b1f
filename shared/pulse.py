"""Whether work goes on, seen from beside it."""

import time


class Pulse:
    """When work last showed that it goes on, by this process's own clock."""

    def __init__(self) -> None:
        """It begins now."""
        self.beat()

    def beat(self) -> None:
        """The work goes on."""
        self._at = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the last sign."""
        return time.monotonic() - self._at
