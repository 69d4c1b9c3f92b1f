"""How much an error on each class weighs in training, by how many items the class has."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index

Weighting = Literal["balanced", "effective", "none"]


def class_weights(counts: Index | NDArray[np.float64], weighting: Weighting = "balanced") -> NDArray[np.float64]:
    """Weights of the classes, 1 on average over the items; 0 for a class without an item.

    `balanced` is inverse frequency, `N / (K n_c)` for N items of K classes that occur.

    `effective` is the inverse of the effective number of samples `(1 - beta^n_c) / (1 - beta)` (Cui et al.,
    "Class-Balanced Loss Based on Effective Number of Samples", 2019, section 3), with `beta = (V - 1) / V`: V items
    would tell all there is to tell of a class, and the nearer a class is to them, the less a further item adds. The
    paper takes one V for all classes and searches it for each data set. Here V is the mean size of a class: far below
    it the weights are those of `balanced`, far above it all large classes weigh alike, and that at a hundred labels as
    at a hundred thousand.

    Args:
        counts: (n_classes,) items of each class; parts of items where some count less.
        weighting: Which of the weights; `none` is 1 for each class that occurs.
    """
    occurring = counts > 0
    weights = np.zeros(len(counts))
    if not occurring.any():
        return weights
    kept = counts[occurring]
    if weighting == "balanced":
        weights[occurring] = kept.sum() / (len(kept) * kept)
    elif weighting == "effective":
        inverse = 1 / _effective(kept, volume=float(kept.mean()))
        weights[occurring] = inverse * (kept.sum() / (inverse * kept).sum())
    else:
        weights[occurring] = 1.0
    return weights


def _effective(counts: Index | NDArray[np.float64], *, volume: float) -> NDArray[np.float64]:
    """Effective numbers of samples; `volume` of 1 or more."""
    beta = (volume - 1) / volume
    return np.asarray((1 - beta**counts) / (1 - beta), dtype=np.float64)
