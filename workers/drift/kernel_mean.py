"""The mean embedding: is the window, as a whole, another distribution than half B, source by source?

The distance of mean embeddings (maximum mean discrepancy, Gretton et al., JMLR 2012) with a Gaussian kernel, by random
Fourier features (Rahimi and Recht 2007), orthogonal ones (Yu et al. 2016). No permutation: the squared distance of
means is nearly a weighted sum of chi-squares, whose tail follows from its first three cumulants (Hall 1983; Buckley and
Eagleson 1988).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from shared.pool import Floats, Index
from workers.drift.detectors import Numbers

# Each gives a cosine and a sine.
_FREQUENCIES = 64
# Items between which the usual distance is measured.
_MOST_MEASURED = 500


@dataclass(frozen=True)
class Distance:
    """Between a window and half B.

    Attributes:
        p: of no difference.
        least_share: of the items must have moved for means so far apart: no kernel of height 1 puts two distributions
            further apart than twice their total variation. The noise of both samples is taken off.
    """

    p: float
    least_share: float


def draw_frequencies(vectors: Floats, *, rng: np.random.Generator) -> Floats:
    """(r, d) float32 frequencies of a Gaussian kernel as wide as the median distance of `vectors` (n, d)."""
    some = vectors[rng.permutation(len(vectors))[:_MOST_MEASURED]]
    apart = np.maximum(2 - 2 * (some @ some.T)[np.triu_indices(len(some), 1)], 0)
    width = np.sqrt(max(float(np.median(apart)), 1e-3))
    dimension = vectors.shape[1]
    directions = [
        np.linalg.qr(rng.normal(size=(dimension, min(dimension, _FREQUENCIES - start))))[0].T
        for start in range(0, _FREQUENCIES, dimension)
    ]
    lengths = np.sqrt(rng.chisquare(dimension, size=_FREQUENCIES)) / width
    frequencies: Floats = (np.concatenate(directions) * lengths[:, None]).astype(np.float32)
    return frequencies


def features(frequencies: Floats, vectors: Floats) -> Floats:
    """(n, 2r) float32 features of `vectors` (n, d), each row of length 1."""
    angles = vectors @ frequencies.T
    both: Floats = np.hstack([np.cos(angles), np.sin(angles)])
    both *= np.float32(1 / np.sqrt(len(frequencies)))
    return both


@dataclass(frozen=True)
class Moments:
    """Of the features of a sample in each of s strata.

    Attributes:
        size: (s,) int64, items.
        total: (s, f) float64, sum of the features.
        squares: (s, f, f) float32, sum of their outer products.
    """

    size: Index
    total: Numbers
    squares: Floats


def moments(rows: Floats, strata: Index, *, known: int) -> Moments:
    """Moments of features `rows` (n, f) in the strata (n,) below `known`; others take no part."""
    width = rows.shape[1]
    total, squares = np.zeros((known, width)), np.zeros((known, width, width), dtype=np.float32)
    order = np.argsort(strata, kind="stable")
    bounds = np.searchsorted(strata[order], np.arange(known + 1))
    for stratum in np.flatnonzero(np.diff(bounds)).tolist():
        part = rows[order[bounds[stratum] : bounds[stratum + 1]]]
        total[stratum], squares[stratum] = part.sum(axis=0, dtype=np.float64), part.T @ part
    return Moments(np.diff(bounds), total, squares)


def distance(usual: Moments, window: Moments) -> Distance:
    """The distance between both samples' mean features within the strata, as the window mixes these.

    Args:
        usual: of half B.
        window: of the window, in the same strata.
    """
    items = window.size.sum()
    if not items:
        return Distance(1.0, 0.0)
    part = window.size / items
    gap = part @ (window.total / np.maximum(window.size, 1)[:, None] - usual.total / np.maximum(usual.size, 1)[:, None])
    # Both samples of a stratum vary alike where nothing changed: their common covariance, about their common mean.
    both = usual.size + window.size
    spread = np.where(
        window.size > 0,
        part**2 * (1 / np.maximum(usual.size, 1) + 1 / np.maximum(window.size, 1)) / np.maximum(both - 1, 1),
        0.0,
    )
    means = (usual.total + window.total) / np.maximum(both, 1)[:, None]
    covariance = np.tensordot(spread, (usual.squares + window.squares).astype(np.float64), axes=1)
    covariance -= (means.T * (spread * both)) @ means
    squared = float(gap @ gap)
    beyond_noise = max(0.0, squared - float(np.trace(covariance)))
    return Distance(_tail(squared, covariance), min(1.0, float(np.sqrt(beyond_noise)) / 2))


def _tail(squared: float, covariance: Numbers) -> float:
    """Chance that the squared length of a Gaussian vector of this covariance is at least `squared`."""
    twice = covariance @ covariance
    first, second, third = np.trace(covariance), 2 * np.trace(twice), 8 * (twice * covariance).sum()
    if second <= 1e-24 or third <= 0:
        return 1.0
    freedom = 8 * second**3 / third**2
    quantile = (squared - first) * np.sqrt(2 * freedom / second) + freedom
    return float(chdtrc(freedom, max(quantile, 0.0)))
