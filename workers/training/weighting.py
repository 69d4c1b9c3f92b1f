"""How much an error on each class weighs in training, by how many items the class has."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index

Weighting = Literal["balanced", "effective", "none"]

_BETA = 0.999


def class_weights(counts: Index | NDArray[np.float64], weighting: Weighting = "balanced") -> NDArray[np.float64]:
    """Weights of the classes, 1 on average over the items; 0 for a class without an item.

    `balanced` is inverse frequency, `N / (K n_c)` for N items of K classes that occur.

    `effective` is the inverse of the effective number of samples `(1 - beta^n_c) / (1 - beta)` (Cui et al.,
    "Class-Balanced Loss Based on Effective Number of Samples", 2019, section 3): `1 / (1 - beta)` items would tell all
    there is to tell of a class, so of a class far below that each item counts in full, and far beyond it one more adds
    nothing. The paper takes one beta for all classes, of 0.9 to 0.9999; here it is 0.999, so that classes of up to some
    hundred items weigh as in `balanced`, and those of thousands alike. With `(N - 1) / N` for N labels, as the theory
    has it, no class ever is near its limit and the weights are those of `balanced`.

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
        inverse = (1 - _BETA) / (1 - _BETA**kept)
        weights[occurring] = inverse * (kept.sum() / (inverse * kept).sum())
    else:
        weights[occurring] = 1.0
    return weights
