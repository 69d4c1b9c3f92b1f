"""Evaluation on the audit sample: cross-fitted, weighted, with intervals. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import audit, classifier
from workers.training.metrics import Interval, bootstrap, evaluate
from workers.training.splits import make_folds
from workers.training.tuning import train_on

_FOLDS = 5
# With fewer audit items of a class, its rates say next to nothing.
FEW = 5


def evaluate_on_audit(
    pool: Pool,
    config: ProjectConfig,
    thresholds: Mapping[str, float],
    *,
    strength: float,
    rng: np.random.Generator,
    seed: int,
) -> dict[str, Any]:
    """Quality of a model trained as the current one is, on the labeled part of the audit sample.

    Every audit item is predicted by a model that saw neither it nor its family: labeled items are split into folds,
    and each fold is predicted by a model trained on the others. Each item weighs as many items of the pool as it
    stands for: the size of its stratum over the stratum's labeled audit items.

    Args:
        pool: The pool.
        config: The project.
        thresholds: The audit sample's, by stratum.
        strength: Inverse of the model's ridge penalty; calibration and decisions are found anew in each fold.
        rng: Source of the bootstrap's draws.
        seed: Of the folds.

    Returns:
        JSON-ready: `n` audit items, `macro_f1` with interval or None, `per_class` with precision, recall (with
        interval), f1 and support, and `too_few`, the classes with under 5 audit items.
    """
    sample = audit.measure(pool, thresholds)
    labeled = np.flatnonzero(pool.labeled)
    answered = sample.members[labeled]
    crossed = cross_fit(pool, labeled, config, strength=strength, seed=seed)
    if crossed is None or not answered.any():
        return {"n": int(answered.sum()), "macro_f1": None, "per_class": {}, "too_few": list(pool.classes)}
    rows = labeled[answered]
    targets, weights = pool.targets[rows], _weights(pool, rows)
    predicted, probability = crossed.decided[answered], crossed.probability[answered]
    found = evaluate(targets, predicted, probability, classes=pool.classes, weights=weights)
    macro, recalls = bootstrap(targets, predicted, weights, pool.families[rows], rng=rng)
    return {
        "n": len(rows),
        "macro_f1": macro and asdict(macro),
        "per_class": {
            name: _class(asdict(metrics), recall)
            for (name, metrics), recall in zip(found.per_class.items(), recalls, strict=True)
        },
        "too_few": [name for name, metrics in found.per_class.items() if metrics.support < FEW],
    }


@dataclass(frozen=True)
class CrossFit:
    """Held-out predictions: probabilities (m, n_classes) float32 and decided classes (m, n_classes) bool."""

    probability: Floats
    decided: Mask


def cross_fit(pool: Pool, labeled: Index, config: ProjectConfig, *, strength: float, seed: int) -> CrossFit | None:
    """Predict each labeled item by a model that was trained, calibrated and thresholded without it and its family.

    None when the labels are too few or too much of one class to train in every fold.
    """
    folds = make_folds(pool.targets[labeled], pool.families[labeled], count=_FOLDS, seed=seed)
    if folds.count < 2:
        return None
    probability = np.zeros((len(labeled), len(pool.classes)), dtype=np.float32)
    decided = np.zeros(probability.shape, dtype=bool)
    for fold in range(folds.count):
        inside = folds.of == fold
        model = train_on(pool, labeled[~inside], config, strength=strength)
        if model is None:
            return None
        probability[inside] = classifier.probabilities(model, pool.matrix, pool.rows[labeled[inside]])
        decided[inside] = classifier.decide(model, probability[inside])
    return CrossFit(probability, decided)


def _weights(pool: Pool, rows: Index) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """How many items of the pool each labeled audit item stands for; a stratum's unanswered ones count as missing at
    random."""
    names, stratum = audit.stratify(pool)
    sizes = np.bincount(stratum[pool.representatives], minlength=len(names))
    answered = np.bincount(stratum[rows], minlength=len(names))
    return sizes[stratum[rows]] / answered[stratum[rows]]


def _class(metrics: dict[str, Any], recall: Interval | None) -> dict[str, Any]:
    interval = {"recall_low": recall.low, "recall_high": recall.high} if recall else {}
    return {name: metrics[name] for name in ("precision", "recall", "f1", "support")} | interval
