"""Cross-fitting: labeled items predicted by models that saw neither them nor their families. Pure."""

from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import classifier, prior_shift
from workers.training.calibration import Doubles
from workers.training.classifier import Recipe
from workers.training.splits import FOLDS, assign_folds
from workers.training.tuning import train_on


@dataclass(frozen=True)
class CrossFit:
    """Held-out predictions of m items.

    Attributes:
        probability: (m, n_classes) float32.
        scores: (m, n_classes) float32 decision scores, see `classifier.decision_scores`.
        decided: (m, n_classes) bool.
        before: (m, n_classes) float32, probabilities as they were before calibration.
    """

    probability: Floats
    scores: Floats
    decided: Mask
    before: Floats


def cross_fit(
    pool: Pool, asked: Index, config: ProjectConfig, *, recipe: Recipe, seed: int, ratios: Doubles | None = None
) -> CrossFit | None:
    """Predict labeled items, each by a model that was trained, calibrated and thresholded without it and its family.

    None when the labels are too few or too much of one class to train in every fold.

    Args:
        pool: The pool.
        asked: (m,) positions of labeled items.
        config: The project.
        recipe: Of the models.
        seed: Of folds that are not recorded yet.
        ratios: (n_classes,) of the correction for new class shares that each model is to have; None without one.
    """
    labeled, folds = np.flatnonzero(pool.labeled), assign_folds(pool, seed=seed)
    held_out = np.isin(pool.families[labeled], pool.families[asked])
    shape = len(asked), len(pool.classes)
    probability, scores, before = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    decided = np.zeros(shape, dtype=bool)
    for fold in range(FOLDS):
        inside = np.flatnonzero(folds[asked] == fold)
        if not len(inside):
            continue
        model = train_on(pool, labeled[~(held_out & (folds[labeled] == fold))], config, recipe=recipe)
        if model is None:
            return None
        rows = pool.rows[asked[inside]]
        before[inside] = classifier.probabilities(classifier.uncalibrated(model), pool.features, rows)
        model = model if ratios is None else prior_shift.applied(model, ratios)
        probability[inside] = classifier.probabilities(model, pool.features, rows)
        scores[inside] = classifier.decision_scores(model, probability[inside])
        decided[inside] = classifier.decide(model, probability[inside])
    return CrossFit(probability, scores, decided, before)
