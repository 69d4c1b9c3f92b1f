"""How the texts that wait are cut into segments. Pure."""

from collections.abc import Iterator

# The first batch must not wait for the whole pool: the first segment takes seconds, later ones are larger.
_FIRST, _LARGEST, _GROWTH = 256, 2_048, 2


def segments(count: int) -> Iterator[slice]:
    """Slices that cover `count` texts in order, growing in size."""
    start, size = 0, _FIRST
    while start < count:
        yield slice(start, min(start + size, count))
        start, size = start + size, min(size * _GROWTH, _LARGEST)
