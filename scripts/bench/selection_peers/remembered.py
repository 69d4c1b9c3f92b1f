"""What depends on a pool's vectors alone is worked out once and kept while its rounds last."""

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.pool import Index, Pool

T = TypeVar("T")


class Remembered(Generic[T]):
    """A function of a pool's vectors that remembers its last answer; the rounds of one replay share their items."""

    def __init__(self, compute: Callable[[Pool], T]) -> None:
        """Wrap the function."""
        self._compute = compute
        self._last: tuple[Index, T] | None = None

    def __call__(self, pool: Pool) -> T:
        """The answer for a pool; the same object as long as the pool has the same `ids` array."""
        if self._last is None or self._last[0] is not pool.ids:
            self._last = pool.ids, self._compute(pool)
        return self._last[1]
