"""Many names in two arrays: a million Python strings would take five times the memory."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Names(Sequence[str]):
    """Strings that are made when they are asked for."""

    def __init__(
        self, letters: NDArray[np.uint8], edges: NDArray[np.int64], places: NDArray[np.int64] | None = None
    ) -> None:
        """Look at `letters` (b,) in UTF-8: name i lies between `edges[i]` and `edges[i + 1]`.

        Args:
            letters: All names, one after the other.
            edges: (m + 1,) where they begin and end.
            places: (n,) which of them these are; all m if not given.
        """
        self._letters, self._edges, self._places = letters, edges, places

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """Pack names."""
        return _EMPTY.followed_by(names)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._edges) - 1 if self._places is None else len(self._places)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...

    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        """One name, or those of a slice."""
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"name {place} of {len(self)}")
        wanted = place % len(self) if self._places is None else int(self._places[place])
        return self._letters[self._edges[wanted] : self._edges[wanted + 1]].tobytes().decode()

    def taken(self, places: NDArray[np.int64]) -> "Names":
        """The names at `places` (n,), without a copy."""
        return Names(self._letters, self._edges, places if self._places is None else self._places[places])

    def followed_by(self, more: Iterable[str]) -> "Names":
        """These names and more; only of names that are all there, not of some that were taken."""
        if self._places is not None:
            raise ValueError("names were taken from these, and nothing can be added")
        packed = [name.encode() for name in more]
        lengths = np.fromiter(map(len, packed), dtype=np.int64, count=len(packed))
        letters = np.concatenate([self._letters, np.frombuffer(b"".join(packed), dtype=np.uint8)])
        return Names(letters, np.concatenate([self._edges, self._edges[-1] + np.cumsum(lengths)]))


_EMPTY = Names(np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64))
