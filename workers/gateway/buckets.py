"""Token buckets: how many requests a holder may send, by a clock that is handed in. Pure."""

from dataclasses import dataclass


@dataclass
class Bucket:
    """A bucket that fills at `rate` a second up to `size`; each request takes one.

    Attributes:
        rate: Requests a second in the long run.
        size: Requests at once.
        level: Requests that may be sent now.
        at: When the level was true, in seconds of any clock that only grows.
    """

    rate: float
    size: float
    level: float
    at: float

    def take(self, time: float) -> float:
        """Take one; returns 0 where it was there, else the seconds until it will be, and takes nothing."""
        self.level = min(self.size, self.level + max(0.0, time - self.at) * self.rate)
        self.at = time
        if self.level >= 1.0:
            self.level -= 1.0
            return 0.0
        return (1.0 - self.level) / self.rate
