"""How the texts that wait are cut into segments, and these into runs. Pure."""

from collections.abc import Iterator

# The first batch must not wait for the whole pool, and the next ones not long for more than they have seen: the first
# segment takes seconds, and each later one makes what is there larger by a quarter at most.
_FIRST, _LARGEST, _GROWTH = 256, 2_048, 0.25

RUN = 256
"""Texts that are encoded in one go, some seconds of a core, by whichever worker: a vector may differ in its last digits
with the texts that it is encoded beside, and these are to be the same whoever does it."""


def segments(count: int) -> Iterator[slice]:
    """Slices that cover `count` texts in order, growing in size, each of whole runs but the last."""
    start = 0
    while start < count:
        size = min(max(_FIRST, int(start * _GROWTH) // RUN * RUN), _LARGEST)
        yield slice(start, min(start + size, count))
        start += size


def runs(count: int) -> list[slice]:
    """Slices that cover `count` texts in order, of `RUN` texts each but the last."""
    return [slice(start, min(start + RUN, count)) for start in range(0, count, RUN)]
