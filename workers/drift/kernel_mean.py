"""The mean embedding: is the window, as a whole, another distribution than half B, source by source?

The distance of mean embeddings (maximum mean discrepancy, Gretton et al., JMLR 2012) with a Gaussian kernel, by random
Fourier features (Rahimi and Recht 2007), orthogonal ones (Yu et al. 2016). No permutation: the squared distance of
means is nearly a weighted sum of chi-squares, whose tail follows from its first three cumulants (Hall 1983; Buckley and
Eagleson 1988).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

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
    both: Floats = np.hstack([np.cos(angles), np.sin(angles)]) / np.float32(np.sqrt(len(frequencies)))
    return both


def distance(b_features: Floats, b_strata: Index, window: Floats, strata: Index, *, known: int) -> Distance:
    """The distance between both samples' mean features within the strata, as the window mixes these.

    Args:
        b_features: (n_b, f) float32, half B.
        b_strata: (n_b,) int64, stratum of each row, -1 for none.
        window: (n, f) float32.
        strata: (n,) int64; `known` and above have nothing to stand beside.
        known: number of strata.
    """
    comparable = (strata >= 0) & (strata < known)
    if not comparable.any():
        return Distance(1.0, 0.0)
    b_in, in_strata = _belongs(b_strata, known), _belongs(strata, known)
    b_size, size = b_in.sum(axis=1), in_strata.sum(axis=1)
    b_sum, window_sum = (b_in @ b_features).astype(np.float64), (in_strata @ window).astype(np.float64)
    part = size / size.sum()
    gap = part @ (window_sum / np.maximum(size, 1)[:, None] - b_sum / np.maximum(b_size, 1)[:, None])
    # Both samples of a stratum vary alike where nothing changed: their common covariance, about their common mean.
    both = b_size + size
    spread = np.where(size > 0, part**2 * (1 / np.maximum(b_size, 1) + 1 / np.maximum(size, 1)) / (both - 1), 0.0)
    weight = spread.astype(np.float32)
    squares = b_features.T @ (b_features * (weight @ b_in)[:, None]) + window.T @ (
        window * (weight @ in_strata)[:, None]
    )
    means = (b_sum + window_sum) / np.maximum(both, 1)[:, None]
    covariance = squares.astype(np.float64) - (means.T * (spread * both)) @ means
    squared = float(gap @ gap)
    beyond_noise = max(0.0, squared - float(np.trace(covariance)))
    return Distance(_tail(squared, covariance), min(1.0, float(np.sqrt(beyond_noise)) / 2))


def _belongs(strata: Index, known: int) -> Floats:
    """(known, n) float32, 1 where an item is of a stratum."""
    return (np.arange(known)[:, None] == strata).astype(np.float32)


def _tail(squared: float, covariance: Numbers) -> float:
    """Chance that the squared length of a Gaussian vector of this covariance is at least `squared`."""
    twice = covariance @ covariance
    first, second, third = np.trace(covariance), 2 * np.trace(twice), 8 * (twice * covariance).sum()
    if second <= 1e-24 or third <= 0:
        return 1.0
    freedom = 8 * second**3 / third**2
    return float(chi2.sf((squared - first) * np.sqrt(2 * freedom / second) + freedom, freedom))
