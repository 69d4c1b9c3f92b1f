"""Which items of the reference a window's items are compared with: those of the same source."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Index
from workers.drift.detectors import Counts, tabulate
from workers.drift.reference import Reference, encode


@dataclass(frozen=True)
class Matching:
    """Strata in which half B and a window stand side by side.

    Each source with 20 or more items in half B is a stratum, and all thinner ones are one together. The last stratum
    holds what has nothing of its own kind to stand beside, above all new sources: it is compared with all of half B.

    Attributes:
        known: number of strata before the last.
        b_strata: (n_b,) int64, stratum of each item of half B; -1 for the items that only stand in the last one.
        strata: (n,) int64, stratum of each item of the window.
    """

    known: int
    b_strata: Index
    strata: Index

    def counts(self, b_categories: Index, categories: Index, *, k: int) -> Counts:
        """Counts of both samples.

        Args:
            b_categories: (n_b,) int64, category of each item of half B, below `k`; -1 for none.
            categories: (n,) int64, the same for the window.
            k: number of categories.
        """
        shape = (self.known + 1, k)
        window, window_size = tabulate(self.strata, categories, shape=shape)
        reference, reference_size = tabulate(self.b_strata % (self.known + 1), b_categories, shape=shape)
        reference[-1], reference_size[-1] = reference.sum(axis=0), reference_size.sum()
        return Counts(reference, window, reference_size, window_size)


def match(reference: Reference, sources: Sequence[str]) -> Matching:
    """Put each item of a window, given by its source, beside the items of half B that it is compared with."""
    stratum_of, known = reference.strata_of_sources
    of_code = np.append(stratum_of, -1)  # the entry more is found under the code -1
    strata = of_code[encode(reference.source_names, sources)]
    return Matching(known, reference.b_strata, np.where(strata >= 0, strata, known))
