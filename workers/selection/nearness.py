"""How near the items of a pool are to labeled items of its classes, kept from round to round.

Vectors stay as they are, so a round has to look at the labeled items that are new, and not at all of them again. What
is kept must not show: the same pool gives the same numbers in a process that saw a hundred rounds and in one that
starts. So products are those of whole numbers, which come out the same in any order (`shared.whole_numbers`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.blocks import each_block
from shared.pool import Floats, Index, Mask, Pool, places
from shared.whole_numbers import LENGTH, to_whole_numbers

# Items multiplied at once: the block stays in the processor's cache. Fewer, down to the least, where they are compared
# with so many that the products would take more than 16 MB a thread.
_BLOCK, _LEAST_BLOCK = 1_024, 64
_MOST_PRODUCTS = 2**22
_NOTHING = np.float32(-(2**24))


@dataclass
class Nearness:
    """What is known of a pool so far.

    Attributes:
        ids: (n,) row numbers of the pool's items, ascending.
        seen: by class, row numbers of the labeled items that it was compared with.
        closest: by class, (n,) float32 whole numbers, the product of each item with the closest of these.
    """

    ids: Index = field(default_factory=lambda: np.empty(0, np.int64))
    seen: dict[str, Index] = field(default_factory=dict)
    closest: dict[str, Floats] = field(default_factory=dict)

    def to(self, pool: Pool, anchors: Mapping[str, Index]) -> dict[str, Floats]:
        """By class, (n,) float32: the product of every item with the closest of the class's anchors, in whole numbers.

        Args:
            pool: The pool; vectors of the items that an earlier call saw are as they were.
            anchors: By class, positions of labeled items, one or more.
        """
        try:
            return self._to(pool, anchors)
        except BaseException:  # what is half done would be taken for done
            self.ids, self.seen, self.closest = np.empty(0, np.int64), {}, {}
            raise

    def _to(self, pool: Pool, anchors: Mapping[str, Index]) -> dict[str, Floats]:
        wanted = {name: pool.ids[positions] for name, positions in anchors.items()}
        self._forget(wanted)
        new = np.flatnonzero(self._follow(pool, wanted))
        for name, ids in wanted.items():
            self._take_back(pool, name, ids)
        unseen = {
            name: places(pool.ids, np.setdiff1d(ids, self.seen[name], assume_unique=True))
            for name, ids in wanted.items()
        }
        if len(new) and len(new) < len(pool):
            _raise(pool, new, {name: places(pool.ids, ids) for name, ids in self.seen.items()}, self.closest)
        _raise(pool, np.arange(len(pool)), unseen, self.closest)
        self.seen = wanted
        return self.closest

    def _forget(self, wanted: Mapping[str, Index]) -> None:
        """Drop classes that nobody asks for."""
        self.seen = {name: ids for name, ids in self.seen.items() if name in wanted}
        self.closest = {name: self.closest[name] for name in self.seen}

    def _take_back(self, pool: Pool, name: str, wanted: Index) -> None:
        """Compare anew the items to which a former anchor was the closest, which exact products tell."""
        gone = np.setdiff1d(self.seen[name], wanted, assume_unique=True)
        if not len(gone):
            return
        self.seen[name] = np.setdiff1d(self.seen[name], gone, assume_unique=True)
        former = {name: np.full(len(pool), _NOTHING, dtype=np.float32)}
        _raise(pool, np.arange(len(pool)), {name: places(pool.ids, gone)}, former)
        open_ = np.flatnonzero(self.closest[name] <= former[name])
        self.closest[name][open_] = _NOTHING
        _raise(pool, open_, {name: places(pool.ids, self.seen[name])}, self.closest)

    def _follow(self, pool: Pool, wanted: Mapping[str, Index]) -> Mask:
        """Give every item of the pool, and every class, its place; (n,) bool, the items that are new."""
        before = np.zeros(len(pool), dtype=np.int64) if self.ids is pool.ids else places(self.ids, pool.ids)
        if self.ids is not pool.ids:
            for name, old in self.closest.items():
                self.closest[name] = np.where(before >= 0, old[before] if len(old) else _NOTHING, _NOTHING)
            self.ids = pool.ids
        for name in wanted:
            self.seen.setdefault(name, np.empty(0, np.int64))
            if name not in self.closest:
                self.closest[name] = np.full(len(pool), _NOTHING, dtype=np.float32)
        new: Mask = before < 0
        return new


def rounding(dimension: int) -> float:
    """By how much the cosine of two unit vectors differs at most from their product in whole numbers, made small."""
    error = 0.5 * np.sqrt(dimension) / float(LENGTH)
    return float(2 * error + error**2)


def as_cosine(product: Floats) -> Floats:
    """Products of `Nearness.to` as cosines, each off by `rounding` at most."""
    cosine: Floats = product / LENGTH**2
    return cosine


def _raise(pool: Pool, items: Index, anchors: Mapping[str, Index], closest: dict[str, Floats]) -> None:
    """Raise what some items are to the closest of `anchors`, by class, where these are closer than those before."""
    names = [name for name, positions in anchors.items() if len(positions)]
    if not names:
        return
    of_all = _whole(pool, np.concatenate([anchors[name] for name in names]))
    ends = np.cumsum([len(anchors[name]) for name in names]).tolist()
    parts = [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def compare(block: slice) -> None:
        rows = block if len(items) == len(pool) else items[block]  # all, in their order: a view instead of a copy
        products = of_all @ _whole(pool, items[block]).T
        for name, part in zip(names, parts, strict=True):
            closest[name][rows] = np.maximum(closest[name][rows], products[part].max(axis=0))

    each_block(len(items), max(_LEAST_BLOCK, min(_BLOCK, _MOST_PRODUCTS // len(of_all))), compare)


def _whole(pool: Pool, positions: Index | Sequence[int]) -> Floats:
    """(k, d) float32 vectors in whole numbers."""
    return to_whole_numbers(pool.vectors(np.asarray(positions, dtype=np.int64)))
