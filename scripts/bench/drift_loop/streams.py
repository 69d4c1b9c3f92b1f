"""Streams: a reference, and windows of which the first are like it and the others hold a change."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask

Names = NDArray[np.str_]

REFERENCE, WINDOW = 5_000, 1_000


@dataclass(frozen=True)
class Items:
    """Items, no two of them duplicates; row i of each array is the same item.

    Attributes:
        vectors: (n, d) float16, unit length.
        sources: (n,) names.
        labels: (n,) names of the true classes.
        texts: (n,) what was written; empty strings for made-up vectors.
    """

    vectors: NDArray[np.float16]
    sources: Names
    labels: Names
    texts: NDArray[np.object_]

    def __len__(self) -> int:
        """How many."""
        return len(self.vectors)

    def take(self, rows: Index | Mask) -> "Items":
        """Some of the items."""
        return Items(self.vectors[rows], self.sources[rows], self.labels[rows], self.texts[rows])


@dataclass(frozen=True)
class Stream:
    """What a detector is shown.

    Attributes:
        reference: 5,000 items, or as many as there are.
        windows: 1,000 items each.
        before: how many of the windows come before the change; all of them in a null stream.
        taught: items apart from these, whose labels a model may be trained on.
        shares: of each window, of events that the reference does not hold; empty where the case says it.
    """

    reference: Items
    windows: tuple[Items, ...]
    before: int
    taught: Items
    shares: tuple[float, ...] = ()


def together(*parts: Items) -> Items:
    """All items of all parts, in the order of the parts."""

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Items(joined("vectors"), joined("sources"), joined("labels"), joined("texts"))


class Drawer:
    """Gives items of a pile in a random order; begins anew, in another order, when too few are left."""

    def __init__(self, items: Items, rng: np.random.Generator) -> None:
        """Shuffle the pile."""
        self._items, self._rng = items, rng
        self._order, self._given = rng.permutation(len(items)), 0

    def draw(self, count: int) -> Items:
        """So many items, of which no two are the same.

        Raises:
            ValueError: the pile holds fewer.
        """
        if count > len(self._items):
            raise ValueError(f"{count} items are wanted of a pile of {len(self._items)}")
        if self._given + count > len(self._items):
            self._order, self._given = self._rng.permutation(len(self._items)), 0
        rows = self._order[self._given : self._given + count]
        self._given += count
        return self._items.take(rows)
