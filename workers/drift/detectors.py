"""Two-sample tests on counts, conditional on strata (the sources).

Comparing source by source keeps a change in how much each source sends apart from a change in what it sends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, hypergeom

from shared.pool import Index

Numbers = NDArray[np.float64]

# Cochran's rule: the chi-square approximation wants this many expected in a category.
_FEWEST_EXPECTED = 5.0


@dataclass(frozen=True)
class Counts:
    """Items of two samples by stratum and category. An item may be in no category.

    Attributes:
        reference: (s, k) int64, items of the reference.
        window: (s, k) int64, items of the window.
        reference_size: (s,) int64, all items of the reference in each stratum.
        window_size: (s,) int64.
    """

    reference: Index
    window: Index
    reference_size: Index
    window_size: Index

    def part(self, strata: slice) -> "Counts":
        """The counts of some strata."""
        return Counts(
            self.reference[strata], self.window[strata], self.reference_size[strata], self.window_size[strata]
        )


def tabulate(strata: Index, categories: Index, *, shape: tuple[int, int]) -> tuple[Index, Index]:
    """Counts (s, k) of n items, and the size (s,) of each stratum.

    Args:
        strata: (n,) int64, -1 for an item that is left out.
        categories: (n,) int64, -1 for an item of no category.
        shape: number of strata and of categories.
    """
    table = np.zeros(shape, dtype=np.int64)
    counted = (strata >= 0) & (categories >= 0)
    np.add.at(table, (strata[counted], categories[counted]), 1)
    return table, np.bincount(strata[strata >= 0], minlength=shape[0])


def expected(counts: Counts) -> Numbers:
    """(k,) items that the window would hold of each category at the reference's rates in each stratum."""
    size = np.maximum(counts.reference_size, 1)
    total: Numbers = (counts.reference * (counts.window_size / size)[:, None]).sum(axis=0)
    return total


def excess_p(counts: Counts) -> Numbers:
    """(k,) one-sided p of each category by itself: are there more of it in the window?

    Fisher's exact test; over several strata the exact conditional test of a common odds ratio of 1 (Gart 1970): the
    window's total is then a sum of independent hypergeometric counts.
    """
    p = np.ones(counts.window.shape[1])
    for category in np.flatnonzero(counts.window.sum(axis=0) > expected(counts)).tolist():
        p[category] = _upper_tail(counts, category)
    return p


def residuals(counts: Counts) -> Numbers:
    """(k,) adjusted residuals: standard deviations by which the window holds more of each category than expected."""
    difference, variance = _difference(counts), np.diagonal(_covariance(counts))
    z: Numbers = np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 1e-12)
    return z


def homogeneity_p(counts: Counts) -> float:
    """Are the categories mixed alike in both samples? Every item must be in a category.

    The generalised Cochran-Mantel-Haenszel test of general association (Landis, Heyman and Koch 1978); with one stratum
    it is Pearson's chi-square times (n - 1) / n. Categories with few expected are counted together.
    """
    pooled = _pool_small(counts)
    difference, covariance = _difference(pooled), _covariance(pooled)
    size, direction = np.linalg.eigh(covariance)
    kept = size > 1e-9 * max(float(size[-1]), 1.0)
    if not kept.any():
        return 1.0
    statistic = ((direction[:, kept].T @ difference) ** 2 / size[kept]).sum()
    return float(chi2.sf(statistic, kept.sum()))


def _upper_tail(counts: Counts, category: int) -> float:
    both = (counts.reference_size + counts.window_size)[:, None]
    hits = (counts.reference + counts.window)[:, category, None]
    chances = hypergeom.pmf(np.arange(hits.max() + 1), both, hits, counts.window_size[:, None])
    total = np.ones(1)
    for stratum in np.flatnonzero(hits):
        total = np.convolve(total, chances[stratum, : hits[stratum, 0] + 1])
    return float(min(1.0, total[counts.window[:, category].sum() :].sum()))


def _difference(counts: Counts) -> Numbers:
    """(k,) window counts less those expected when both samples are alike, in sum over the strata."""
    both = counts.reference_size + counts.window_size
    rate = (counts.reference + counts.window) / np.maximum(both, 1)[:, None]
    difference: Numbers = (counts.window - rate * counts.window_size[:, None]).sum(axis=0)
    return difference


def _covariance(counts: Counts) -> Numbers:
    """(k, k) of `_difference`: multivariate hypergeometric in each stratum, independent between strata."""
    both = (counts.reference_size + counts.window_size).astype(np.float64)
    total = (counts.reference + counts.window).astype(np.float64)
    weight = counts.reference_size * counts.window_size / np.maximum(both**2 * (both - 1), 1.0)
    covariance: Numbers = np.diag((weight * both) @ total) - (total.T * weight) @ total
    return covariance


def _pool_small(counts: Counts) -> Counts:
    """Join the rarest categories, by both samples together, until each has enough expected in the smaller sample."""
    both = counts.reference_size + counts.window_size
    smaller = np.minimum(counts.reference_size, counts.window_size) / np.maximum(both, 1)
    likely = ((counts.reference + counts.window) * smaller[:, None]).sum(axis=0)
    order = np.argsort(likely, kind="stable")
    group = np.zeros(len(order), dtype=np.int64)
    filled, number = 0.0, 0
    for category in order:
        group[category] = number
        filled += likely[category]
        if filled >= _FEWEST_EXPECTED:
            filled, number = 0.0, number + 1
    group[group == number] = max(number - 1, 0)  # what was left over is too little for a group of its own
    joined = np.arange(group.max() + 1)[None, :] == group[:, None]
    return Counts(counts.reference @ joined, counts.window @ joined, counts.reference_size, counts.window_size)
