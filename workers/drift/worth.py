"""How much the label of an item would teach: what a model is unsure of, rare classes above all. Pure."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig
from workers.training import audit, classifier
from workers.training.classifier import LinearModel
from workers.training.tuning import train_on

# A class of a handful of labels does not outweigh all others.
_MOST_WEIGHT = 10.0
_SMALLEST = 1e-9


def worth(
    pool: Pool, config: ProjectConfig, model: LinearModel | None, thresholds: Mapping[str, float], rows: Index
) -> Floats | None:
    """How much each item's label would teach; None where no model can say.

    The probabilities are those of a model that learned nothing from the audit sample, whose labels must not steer what
    else is labeled.

    Args:
        pool: The pool.
        config: The project.
        model: The newest, or None before the first.
        thresholds: The audit sample's, by stratum.
        rows: (n,) positions of the items.
    """
    if model is None or model.classes != pool.classes:
        return None
    taught, sealed = pool.labeled, audit.sealed(pool, thresholds)
    if (pool.labeled & sealed).any():
        taught = pool.labeled & ~sealed
        model = train_on(pool, np.flatnonzero(taught), config, tuning=model.tuning)
    if model is None:
        return None
    probability = classifier.probabilities(model, pool.features, pool.rows[rows])
    return weighted_entropy(probability, class_weights(pool.targets[taught].sum(axis=0)), exclusive=model.exclusive)


def class_weights(counts: Index) -> NDArray[np.float64]:
    """(k,) inverse frequency `N / (K n_c)` of classes with so many labels; at most 10, so also without a label."""
    weights: NDArray[np.float64] = np.minimum(
        _MOST_WEIGHT, counts.sum() / (len(counts) * np.maximum(counts, _SMALLEST))
    )
    return weights


def weighted_entropy(probability: Floats, weights: NDArray[np.float64], *, exclusive: bool) -> Floats:
    """(n,) float32, the entropy of the probabilities (n, k) with a weight (k,) for each class.

    Guiasu, "Weighted entropy" (1971). Where classes don't exclude each other, the sum over them of each by itself.
    """
    said = np.clip(probability.astype(np.float64), _SMALLEST, 1.0)
    surprise = -said * np.log(said)
    if not exclusive:
        other = np.clip(1.0 - probability.astype(np.float64), _SMALLEST, 1.0)
        surprise -= other * np.log(other)
    total: Floats = np.round(surprise @ weights, 6).astype(np.float32)
    return total
