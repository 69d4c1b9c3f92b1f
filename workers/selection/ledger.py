"""The ledger of one batch: caps that are never exceeded, quotas that are met where the pool allows it."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Pool
from shared.project import Cap, ProjectConfig
from workers.selection.view import View

Counts = NDArray[np.float64]


class Ledger:
    """Counts what a batch holds and says whether one more item fits.

    A cap on a class counts items *predicted* to be of that class, and for its total also those labeled so. Before the
    first model nothing is predicted and class caps bind nothing.
    """

    def __init__(self, view: View, *, wanted: int) -> None:
        """Start an empty batch of at most `wanted` items."""
        self.wanted = wanted
        self.chosen: list[int] = []
        self.refused: Counter[str] = Counter()
        self._pool = view.pool
        self._sources = view.pool.sources
        self._predicted = view.predicted
        self._source_room = _room(view.config.caps.sources, view.pool.source_names, _chosen_by_source(view.pool))
        self._class_room = _room(view.config.caps.classes, view.pool.classes, _chosen_by_class(view))
        self._owed = _quotas(view.config, view.pool, wanted)
        self._taken = np.zeros(len(view.pool), dtype=bool)

    @property
    def left(self) -> int:
        """Free places in the batch."""
        return self.wanted - len(self.chosen)

    def holds(self, position: int) -> bool:
        """Whether the batch holds the item already."""
        return bool(self._taken[position])

    def add(self, position: int, *, keep_quotas: bool = True) -> bool:
        """Take the item if it fits, and say whether it did.

        Args:
            position: Of the item in the pool.
            keep_quotas: Whether places that other sources' quotas still need stay free for them.
        """
        source, predicted = int(self._sources[position]), int(self._predicted[position])
        if self._taken[position] or not self.left:
            return False
        if self._source_room[source] <= 0:
            self.refused[f"cap on source {self._pool.source_names[source]!r}"] += 1
            return False
        if predicted >= 0 and self._class_room[predicted] <= 0:
            self.refused[f"cap on class {self._pool.classes[predicted]!r}"] += 1
            return False
        if keep_quotas and self._owed[source] <= 0 and self.left <= self._owed.sum():
            return False
        self._taken[position] = True
        self.chosen.append(position)
        self._source_room[source] -= 1
        self._owed[source] = max(0, self._owed[source] - 1)
        if predicted >= 0:
            self._class_room[predicted] -= 1
        return True

    def shortfalls(self) -> list[str]:
        """What kept the batch from being full, in words; empty when it is full and all quotas are met."""
        unmet = [
            f"quota of source {name!r}: {int(owed)} item(s) short"
            for name, owed in zip(self._pool.source_names, self._owed.tolist(), strict=True)
            if owed > 0
        ]
        if not self.left:
            return unmet
        bound = [f"{cause}: refused {count} item(s)" for cause, count in sorted(self.refused.items())]
        return [f"short by {self.left}: {'caps bound it' if bound else 'no eligible item is left'}", *bound, *unmet]


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
