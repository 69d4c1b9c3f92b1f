"""Intervals for figures from a weighted sample of few items. Pure.

A share among few items has no symmetric interval, and a bootstrap's percentiles are too narrow: with a dozen items of
a class they hold the truth in three of four samples. So a variance is estimated first, and turned into an effective
sample size, the number of equally weighted items that would know the share as well; Wilson's interval for a share of so
many follows (Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts
estimated from survey data", 1998; Wilson 1927).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask
from workers.training.metrics import Interval

Doubles = NDArray[np.float64]

# Of the normal distribution, for 95 %.
_Z = 1.959964


@dataclass(frozen=True)
class Design:
    """How a sample was drawn.

    Attributes:
        weights: (n,) items of the pool that each stands for.
        strata: (n,) items with equal numbers were drawn from one stratum.
        families: (n,) items with equal numbers resemble each other and count as one draw.
    """

    weights: Doubles
    strata: Index
    families: Index

    def ratio(self, hit: Doubles, base: Doubles) -> Interval | None:
        """See `ratio_interval`."""
        return ratio_interval(hit, base, self.weights, self.strata, self.families)

    def recall(self, hit: Doubles, base: Doubles, *, expected: tuple[Doubles, Doubles]) -> Interval | None:
        """See `ratio_interval`: how much of what this pool holds is found."""
        return ratio_interval(hit, base, self.weights, self.strata, self.families, expected=expected, finite=True)

    def shares(self, targets: Mask) -> list[Interval] | None:
        """The share of the pool that is of each class of `targets` (n, n_classes); None without any item.

        With the finite population correction: the interval of a pool that is labeled as a whole has no width.
        """
        everything = np.ones(len(targets))
        found = [
            ratio_interval(hit, everything, self.weights, self.strata, self.families, finite=True)
            for hit in targets.T.astype(np.float64)
        ]
        return [share for share in found if share is not None] or None


def ratio_interval(
    hit: Doubles,
    base: Doubles,
    weights: Doubles,
    strata: Index,
    families: Index,
    *,
    expected: tuple[Doubles, Doubles] | None = None,
    finite: bool = False,
) -> Interval | None:
    """A weighted ratio `sum(w * hit) / sum(w * base)` in [0, 1], with its interval; None where the base is empty.

    The variance is that of the linearised ratio between families of a stratum (Särndal, Swensson and Wretman, "Model
    Assisted Survey Sampling", 1992, section 5.6). It knows nothing of what was not drawn: where a large stratum holds a
    few missed positives and none of them is in the sample, all looks found. So if a model is asked, the variance of
    each stratum is drawn towards what the model expects there, as though that were one more item of the base: all of it
    where none was drawn, next to nothing where there are dozens.

    Args:
        hit: (n,) what is counted, such as 1 for a true positive.
        base: (n,) among what, such as 1 for a positive; `hit <= base`.
        weights: See `Design`, as the following.
        strata: Likewise.
        families: Likewise.
        expected: What a model that did not see the items expects of `hit`, and of `base - hit`, (n,) each.
        finite: Whether the interval is about this pool, so that an item which stands for none but itself adds nothing
            to it; otherwise it is about all texts of which the pool is a sample.
    """
    whole = float(weights @ base)
    if whole <= 0:
        return None
    value = min(1.0, float(weights @ hit) / whole)
    unseen = np.clip(1 - 1 / weights, 0, 1) if finite else np.ones(len(weights))
    codes = np.unique(strata, return_inverse=True)[1]
    first, inverse = np.unique(families, return_index=True, return_inverse=True)[1:]
    errors = np.sqrt(unseen) * weights * (hit - value * base) / whole
    by_family: Doubles = np.bincount(inverse, weights=errors).astype(np.float64)
    variances = _between_families(by_family, codes[first], strata=int(codes.max()) + 1)
    counted, alike = float((base > 0).sum()), whole**2 / float((weights * base) @ (weights * base))
    left = max(1 - counted / whole, 0.0) if finite else 1.0
    otherwise = alike / left if left else np.inf  # Kish's effective size of the base
    if expected is not None:
        hits, misses = expected
        each = unseen * (weights / whole) ** 2 * (hits * (1 - value) ** 2 + misses * value**2)
        thought, drawn = np.bincount(codes, weights=each), np.bincount(codes, weights=base > 0)
        variances = (drawn * variances + thought) / (drawn + 1)
        inner = (value * alike + 1) / (alike + 2)  # where none or all is hit, as though one more were and one not
        otherwise = min(otherwise, inner * (1 - inner) / thought.sum()) if thought.any() else otherwise
    if np.isinf(otherwise):
        return Interval(value, value, value)
    # The variance is known from few items itself; it may tell of a better sample than equal weights, but not of one
    # beyond belief.
    return wilson(value, float(variances.sum()), otherwise=otherwise, most=2 * counted / left if left else np.inf)


def wilson(value: float, variance: float, *, otherwise: float, most: float) -> Interval:
    """Wilson's interval of a share that is known with some variance.

    Args:
        value: The share, in [0, 1].
        variance: Of the estimate.
        otherwise: Effective sample size where none follows from the variance, as at a share of 0 or 1.
        most: Of the effective sample size.
    """
    inside = value * (1 - value)
    size = inside / variance if variance > 0 and inside > 0 else otherwise
    size = min(size, most)
    shrink = 1 + _Z**2 / size
    centre = (value + _Z**2 / (2 * size)) / shrink
    half = _Z * np.sqrt(inside / size + _Z**2 / (4 * size**2)) / shrink
    return Interval(value, min(value, max(0.0, centre - half)), max(value, min(1.0, centre + half)))


def bootstrap(
    design: Design,
    figures: Callable[[Doubles], Doubles],
    *,
    sizes: Doubles,
    rng: np.random.Generator,
    rounds: int = 200,
) -> list[Interval | None]:
    """Intervals of figures in [0, 1] whose variance has no formula; None where a figure is NaN.

    Such figures are biased where classes have few items: what the figure of bootstrap samples differs by from that of
    the sample stands in for what that one differs by from the pool's (Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 10).

    Families are drawn anew within their strata, one fewer than there are and each counting the more, which leaves the
    variance unbiased in small strata (Rao and Wu, "Resampling inference with complex survey data", 1988).

    Args:
        design: How the sample was drawn.
        figures: From weights (n,) to figures (k,), NaN for what the weights say nothing of.
        sizes: (k,) the most that the effective sample size of each can be, such as the items of its class.
        rng: Source of the draws.
        rounds: Number of bootstrap samples.
    """
    values = figures(design.weights)
    first, inverse = np.unique(design.families, return_index=True, return_inverse=True)[1:]
    strata = np.unique(design.strata[first], return_inverse=True)[1]
    drawn = np.array([figures(design.weights * _again(strata, rng)[inverse]) for _ in range(rounds)])
    seen = ~np.isnan(drawn)
    count = seen.sum(axis=0)
    mean = np.where(seen, drawn, 0).sum(axis=0) / np.maximum(count, 1)
    variance = np.where(seen, (drawn - mean) ** 2, 0).sum(axis=0) / np.maximum(count - 1, 1)
    bias = np.where(count > 0, mean - values, 0.0)
    return [
        None if np.isnan(value) or size <= 0 else _around(value, by, spread, size)
        for value, by, spread, size in zip(
            values.tolist(), bias.tolist(), variance.tolist(), sizes.tolist(), strict=True
        )
    ]


def _around(value: float, bias: float, variance: float, size: float) -> Interval:
    """Wilson's interval around a figure less its bias, which is not sure either; the figure itself is within."""
    value = float(np.clip(value, 0, 1))
    found = wilson(float(np.clip(value - bias, 0, 1)), variance + bias**2, otherwise=size, most=size)
    return Interval(value, min(value, found.low), max(value, found.high))


def _between_families(totals: Doubles, of: Index, *, strata: int) -> Doubles:
    """(strata,) variance of the sum of `totals` (n_families,), drawn independently within the stratum each is `of`."""
    count = np.bincount(of, minlength=strata)
    mean = np.bincount(of, weights=totals, minlength=strata) / np.maximum(count, 1)
    # A single family has no spread to be seen: its distance from nothing stands in.
    away = np.where(count[of] > 1, totals - mean[of], totals)
    correction = np.where(count > 1, count / np.maximum(count - 1, 1), 1.0)
    return np.asarray(correction * np.bincount(of, weights=away**2, minlength=strata))


def _again(strata: Index, rng: np.random.Generator) -> Doubles:
    """How much each family counts in one bootstrap sample."""
    times = np.ones(len(strata))
    for stratum in range(int(strata.max()) + 1):
        inside = np.flatnonzero(strata == stratum)
        if len(inside) > 1:
            drawn = rng.multinomial(len(inside) - 1, np.full(len(inside), 1 / len(inside)))
            times[inside] = drawn * len(inside) / (len(inside) - 1)
    return times
