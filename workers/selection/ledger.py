"""The ledger of one batch: caps that are never exceeded, wishes that are met where the pool allows it."""

from collections import defaultdict
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Pool
from shared.project import Cap, ProjectConfig
from workers.selection.rare_floor import RareFloor
from workers.selection.view import View

Counts = NDArray[np.float64]


class Keep(Enum):
    """For which wishes places stay free, in the order in which they are given up."""

    ALL = "the floor of likely rare items, and the sources' quotas"
    QUOTAS = "the sources' quotas"
    NOTHING = "none"


class Ledger:
    """Counts what a batch holds and says whether one more item fits.

    A cap on a class counts items *predicted* to be of that class, and for its total also those labeled so. Before the
    first model nothing is predicted and class caps bind nothing.
    """

    def __init__(self, view: View, floor: RareFloor, *, wanted: int, beside: int = 0) -> None:
        """Start an empty batch of at most `wanted` items, `beside` of them a campaign's, which has no quotas."""
        self.wanted = wanted
        self.chosen: list[int] = []
        self.refused: defaultdict[str, set[int]] = defaultdict(set)
        """The items that each cap has refused, by the cap in words."""
        self.rare_owed = floor.wanted
        self._floor = floor
        self._pool = view.pool
        self._sources = view.pool.sources
        self._predicted = view.predicted
        self._source_room = _room(view.config.caps.sources, view.pool.source_names, _chosen_by_source(view.pool))
        self._class_room = _room(view.config.caps.classes, view.pool.classes, _chosen_by_class(view))
        self._owed = _quotas(view.config, view.pool, max(0, wanted - beside))
        self._taken = np.zeros(len(view.pool), dtype=bool)

    @property
    def left(self) -> int:
        """Free places in the batch."""
        return self.wanted - len(self.chosen)

    def add(self, position: int, *, wanted: int = -1, keep: Keep = Keep.ALL) -> bool:
        """Take the item if it fits, and say whether it did.

        Args:
            position: Of the item in the pool.
            wanted: Column of the class that it is proposed for, -1 for none.
            keep: The wishes for which the places that they still need stay free.
        """
        source, predicted = int(self._sources[position]), int(self._predicted[position])
        if self._taken[position] or not self.left:
            return False
        if self.is_full(position):
            self.refused[f"cap on source {self._pool.source_names[source]!r}"].add(position)
            return False
        if predicted >= 0 and self._class_room[predicted] <= 0:
            self.refused[f"cap on class {self._pool.classes[predicted]!r}"].add(position)
            return False
        rare = self._floor.counts(position, wanted)
        if keep is not Keep.NOTHING and self._owed[source] <= 0 and self.left <= self._owed.sum():
            return False
        if keep is Keep.ALL and not rare and self.left <= self.rare_owed:
            return False
        self._taken[position] = True
        self.chosen.append(position)
        self._source_room[source] -= 1
        self._owed[source] = max(0, self._owed[source] - 1)
        self.rare_owed = max(0, self.rare_owed - rare)
        if predicted >= 0:
            self._class_room[predicted] -= 1
        return True

    def is_full(self, position: int) -> bool:
        """Whether the cap on the item's source has no room left."""
        return bool(self._source_room[self._sources[position]] <= 0)

    def shortfalls(self) -> list[str]:
        """What kept the batch from being full, in words; empty when it is full and all wishes are met."""
        unmet = [
            f"quota of source {name!r}: {int(owed)} item(s) short"
            for name, owed in zip(self._pool.source_names, self._owed.tolist(), strict=True)
            if owed > 0
        ]
        if self.rare_owed:
            unmet.append(f"floor of likely rare items: {self.rare_owed} item(s) short")
        if not self.left:
            return unmet
        bound = [f"{cause}: refused {len(items)} item(s)" for cause, items in sorted(self.refused.items())]
        enough = sum(len(items) for items in self.refused.values()) >= self.left
        why = "caps bound it" if enough else "no other eligible item is left" if bound else "no eligible item is left"
        return [f"short by {self.left}: {why}", *bound, *unmet]


def _room(caps: dict[str, Cap], names: tuple[str, ...], so_far: Index) -> Counts:
    room = np.full(len(names), np.inf)
    for place, name in enumerate(names):
        if cap := caps.get(name):
            limits = [cap.batch, None if cap.total is None else cap.total - int(so_far[place])]
            room[place] = min((limit for limit in limits if limit is not None), default=np.inf)
    return room


def _chosen_by_source(pool: Pool) -> Index:
    return np.bincount(pool.sources[pool.labeled | pool.queued], minlength=len(pool.source_names))


def _chosen_by_class(view: View) -> Index:
    waiting = view.predicted[view.pool.queued & ~view.pool.labeled]
    counts: Index = view.pool.label_counts + np.bincount(waiting[waiting >= 0], minlength=len(view.pool.classes))
    return counts


def _quotas(config: ProjectConfig, pool: Pool, wanted: int) -> Counts:
    """(n_sources,) items wanted of each source, no more than it has eligible."""
    available = np.bincount(pool.sources[pool.eligible], minlength=len(pool.source_names))
    shares = np.array([config.quotas.sources.get(name, 0.0) for name in pool.source_names])
    quotas: Counts = np.minimum(np.floor(shares * wanted + 1e-9), available)
    return quotas
