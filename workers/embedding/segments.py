"""How the texts that wait are cut into segments. Pure."""

from collections.abc import Iterator

# The first batch must not wait for the whole pool, and the next ones not long for more than they have seen: the first
# segment takes seconds, and each later one makes what is there larger by a quarter at most.
_FIRST, _LARGEST, _GROWTH = 256, 2_048, 0.25


def segments(count: int) -> Iterator[slice]:
    """Slices that cover `count` texts in order, growing in size."""
    start = 0
    while start < count:
        size = min(max(_FIRST, int(start * _GROWTH)), _LARGEST)
        yield slice(start, min(start + size, count))
        start += size
