"""Two-sample tests on counts, conditional on strata (the sources).

Comparing source by source keeps a change in how much each source sends apart from a change in what it sends.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammainccinv, gammaincinv, gammaln

from shared.pool import Index, Mask

Numbers = NDArray[np.float64]

# Of 0, 1, 2 ...: enough for windows of usual size, beyond which they are worked out where they are asked for.
_LOG_FACTORIALS = gammaln(np.arange(1.0, 2**14 + 1))

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
    counted = (strata >= 0) & (categories >= 0)
    place = strata[counted] * shape[1] + categories[counted]
    table = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
    return table, np.bincount(strata[strata >= 0], minlength=shape[0])


def expected(counts: Counts) -> Numbers:
    """(k,) items that the window would hold of each category at the reference's rates in each stratum."""
    size = np.maximum(counts.reference_size, 1)
    total: Numbers = (counts.reference * (counts.window_size / size)[:, None]).sum(axis=0)
    return total


def expected_between(counts: Counts, *, miss: float) -> tuple[Numbers, Numbers]:
    """Lower and upper bound (k,) of what `expected` would be, were the reference not a sample itself.

    Those of Fay and Feuer, "Confidence intervals for directly standardized rates: a method based on the gamma
    distribution" (Statistics in Medicine 1997), which hold for Poisson counts and so for binomial ones.

    Args:
        counts: The categories.
        miss: Chance that a bound does not hold, for each bound and category.
    """
    weight = (counts.window_size / np.maximum(counts.reference_size, 1))[:, None]
    total, spread = (weight * counts.reference).sum(axis=0), (weight**2 * counts.reference).sum(axis=0)
    largest = float(weight.max(initial=0.0))
    if largest == 0.0:
        return total, total
    more, wider = total + largest, spread + largest**2
    upper = gammainccinv(more**2 / wider, miss) * wider / more
    held = np.maximum(spread, 1e-12)
    lower = np.where(total > 0, gammaincinv(total**2 / held, miss) * held / np.maximum(total, 1e-12), 0.0)
    return lower, upper


def excess_p(counts: Counts, among: Mask | None = None) -> Numbers:
    """(k,) one-sided p of each category by itself: are there more of it in the window?

    Fisher's exact test; over several strata the exact conditional test of a common odds ratio of 1 (Gart 1970): the
    window's total is then a sum of independent hypergeometric counts.

    Args:
        counts: The categories.
        among: (k,) bool, the categories to look at; the others get 1.
    """
    p, seen = np.ones(counts.window.shape[1]), counts.window.sum(axis=0)
    more = seen > expected(counts)
    looked_at = np.flatnonzero(more if among is None else more & among)
    hits = (counts.reference + counts.window).T[looked_at]
    drawn, both = (
        np.broadcast_to(size, hits.shape) for size in (counts.window_size, counts.reference_size + counts.window_size)
    )
    p[looked_at] = upper_tails(seen[looked_at], hits=hits, drawn=drawn, both=both)
    return p


def residuals(counts: Counts) -> Numbers:
    """(k,) adjusted residuals: standard deviations by which the window holds more of each category than expected."""
    difference, variance = _difference(counts), _variance(counts)
    z: Numbers = np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 1e-12)
    return z


def homogeneity_p(counts: Counts, *, tolerance: float = 0.0) -> float:
    """Are the categories mixed alike in both samples? Every item must be in a category.

    The generalised Cochran-Mantel-Haenszel test of general association (Landis, Heyman and Koch 1978); with one stratum
    it is Pearson's chi-square times (n - 1) / n. Categories with few expected are counted together.

    Args:
        counts: The categories.
        tolerance: A difference that counts as none, as Cohen's w ("Statistical Power Analysis", 1988, chapter 7): the
            chi-square is then compared with that of a difference of so much.
    """
    pooled = _pool_small(counts)
    difference, covariance = _difference(pooled), _covariance(pooled)
    size, direction = np.linalg.eigh(covariance)
    kept = size > 1e-9 * max(float(size[-1]), 1.0)
    if not kept.any():
        return 1.0
    statistic = ((direction[:, kept].T @ difference) ** 2 / size[kept]).sum()
    both = np.maximum(counts.reference_size + counts.window_size, 1)
    beyond = tolerance**2 * float((counts.reference_size * counts.window_size / both).sum())
    # A noncentral chi-square is nearly a stretched central one (Patnaik, Biometrika 1949).
    freedom = float(kept.sum())
    stretched = (freedom + 2 * beyond) / (freedom + beyond)
    return float(chdtrc((freedom + beyond) / stretched, statistic / stretched))


def upper_tails(seen: Index, *, hits: Index, drawn: Index, both: Index) -> Numbers:
    """(r,) chances that at least so many hits are drawn: sums of independent hypergeometric counts, one a stratum.

    Args:
        seen: (r,) int64, hits drawn, of all strata.
        hits: (r, s) int64, hits among all items of a stratum.
        drawn: (r, s) int64, items drawn.
        both: (r, s) int64, all items.
    """
    quick = both.max(initial=0) < len(_LOG_FACTORIALS)

    def log_factorial(n: Index) -> Numbers:
        logs: Numbers = _LOG_FACTORIALS[n] if quick else gammaln(n + 1.0)
        return logs

    x, rest = np.arange(hits.max(initial=0) + 1), (both - hits)[..., None]
    within = (x, hits[..., None] - x, drawn[..., None] - x, rest - drawn[..., None] + x)
    possible = np.minimum(np.minimum(within[1], within[2]), within[3]) >= 0
    ways = log_factorial(np.stack([hits, both - hits, drawn, both - drawn])).sum(axis=0) - log_factorial(both)
    less = sum(log_factorial(np.maximum(part, 0)) for part in within)
    chances = np.where(possible, np.exp(np.minimum(ways[..., None] - less, 0.0)), 0.0)
    tails = np.ones(len(seen))
    for row, least in enumerate(seen.tolist()):
        total = np.ones(1)
        for stratum in np.flatnonzero(hits[row]).tolist():
            total = np.convolve(total, chances[row, stratum, : hits[row, stratum] + 1])
        tails[row] = min(1.0, float(total[least:].sum()))
    return tails


def _difference(counts: Counts) -> Numbers:
    """(k,) window counts less those expected when both samples are alike, in sum over the strata."""
    both = counts.reference_size + counts.window_size
    rate = (counts.reference + counts.window) / np.maximum(both, 1)[:, None]
    difference: Numbers = (counts.window - rate * counts.window_size[:, None]).sum(axis=0)
    return difference


def _variance(counts: Counts) -> Numbers:
    """(k,) the diagonal of `_covariance`."""
    both = (counts.reference_size + counts.window_size).astype(np.float64)[:, None]
    total = (counts.reference + counts.window).astype(np.float64)
    weight = (counts.reference_size * counts.window_size)[:, None] / np.maximum(both**2 * (both - 1), 1.0)
    variance: Numbers = (weight * total * (both - total)).sum(axis=0)
    return variance


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
    for category, count in zip(order.tolist(), likely[order].tolist(), strict=True):
        group[category] = number
        filled += count
        if filled >= _FEWEST_EXPECTED:
            filled, number = 0.0, number + 1
    group[group == number] = max(number - 1, 0)  # what was left over is too little for a group of its own
    joined = np.arange(group.max() + 1)[None, :] == group[:, None]
    return Counts(counts.reference @ joined, counts.window @ joined, counts.reference_size, counts.window_size)
