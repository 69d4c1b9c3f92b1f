"""Long lists of values in parts that one statement can take."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# Values in one IN list; PostgreSQL takes more, SQLite 32,766.
_AT_ONCE = 5_000


def in_parts(values: Sequence[T]) -> list[Sequence[T]]:
    """The values in their order, some thousand at a time."""
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]
