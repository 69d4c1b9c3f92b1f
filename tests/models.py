"""Plain models for tests that want one without a pool to tune it on."""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.pool import Floats, Mask
from workers.training import classifier, fitting
from workers.training.calibration import untouched
from workers.training.classifier import LinearModel, Tuning

STRENGTH = 10.0


def plain_model(
    vectors: Floats,
    targets: Mask,
    *,
    classes: Sequence[str] | None = None,
    exclusive: bool = True,
    costs: Mapping[str, float] | None = None,
    strength: float = STRENGTH,
    trust: float = 0.0,
) -> LinearModel:
    """A model with the defaults of the first labels: its scores are not calibrated and decisions are the weighted ones.

    Args:
        vectors: (n, d) float32, unit length.
        targets: (n, n_classes) bool, at least one class of which some rows have and some have not.
        classes: Names of the columns; made up if not given.
        exclusive: Whether each row of `targets` holds exactly one true.
        costs: How many times as much an error on a class weighs.
        strength: Inverse of the ridge penalty.
        trust: How far decisions follow the probabilities.
    """
    names = tuple(classes or (f"class-{number}" for number in range(targets.shape[1])))
    sample = fitting.gather(vectors, targets, classes=names, exclusive=exclusive, costs=costs or {})
    everything, nothing = np.arange(len(targets)), np.zeros(len(names))
    tuning = Tuning(0, strength, untouched(len(names)), nothing, nothing + trust)
    prior = fitting.unweighted(sample, everything)
    coefficients = fitting.fit(sample, everything, strength=strength)
    return classifier.assemble(sample, coefficients, tuning, classes=names, prior=prior)
