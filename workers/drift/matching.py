"""Which items of the reference a window's items are compared with: those of the same source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Index
from workers.drift.detectors import Counts, tabulate
from workers.drift.reference import Reference, encode

# A source with fewer items in half B is too thin to be compared with alone.
_FEWEST_BESIDE = 20


@dataclass(frozen=True)
class Matching:
    """Strata in which half B and a window stand side by side.

    Each source with 20 or more items in half B is a stratum, and all thinner ones are one together. The last stratum
    holds what has nothing of its own kind to stand beside, above all new sources: it is compared with all of half B.

    Attributes:
        known: number of strata before the last.
        b_rows: (m,) int64, rows of half B; all of them once more for the last stratum.
        b_strata: (m,) int64, stratum of each of them.
        strata: (n,) int64, stratum of each item of the window.
    """

    known: int
    b_rows: Index
    b_strata: Index
    strata: Index

    def b_strata_of(self, count: int) -> Index:
        """(count,) int64, stratum of each row of half B before the last one; -1 for none. `count` is half B's size."""
        strata = np.full(count, -1, dtype=np.int64)
        inside = self.b_strata < self.known
        strata[self.b_rows[inside]] = self.b_strata[inside]
        return strata

    def counts(self, b_categories: Index, categories: Index, *, k: int) -> Counts:
        """Counts of both samples.

        Args:
            b_categories: (n_b,) int64, category of each item of half B, below `k`; -1 for none.
            categories: (n,) int64, the same for the window.
            k: number of categories.
        """
        shape = (self.known + 1, k)
        reference, reference_size = tabulate(self.b_strata, b_categories[self.b_rows], shape=shape)
        window, window_size = tabulate(self.strata, categories, shape=shape)
        return Counts(reference, window, reference_size, window_size)


def match(reference: Reference, sources: Sequence[str]) -> Matching:
    """Put each item of a window, given by its source, beside the items of half B that it is compared with."""
    n_b = np.bincount(reference.b_sources, minlength=len(reference.source_names))
    large = n_b >= _FEWEST_BESIDE
    stratum = np.full(len(n_b) + 1, -1, dtype=np.int64)  # the entry more is found under the code -1
    stratum[:-1][large] = np.arange(large.sum())
    if n_b[~large].sum() >= _FEWEST_BESIDE:
        stratum[:-1][~large] = large.sum()
    known = int(stratum.max()) + 1
    b_strata = stratum[reference.b_sources]
    beside = np.flatnonzero(b_strata >= 0)
    strata = stratum[encode(reference.source_names, sources)]
    return Matching(
        known=known,
        b_rows=np.concatenate([beside, np.arange(len(b_strata))]),
        b_strata=np.concatenate([b_strata[beside], np.full(len(b_strata), known)]),
        strata=np.where(strata >= 0, strata, known),
    )
