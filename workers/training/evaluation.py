"""Evaluation on the audit sample: cross-fitted, weighted, with intervals. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig, Task
from workers.training import audit, classifier
from workers.training.metrics import Interval, bootstrap, evaluate
from workers.training.splits import make_folds

_FOLDS = 5
# With fewer audit items of a class, its rates say next to nothing.
FEW = 5


def evaluate_on_audit(
    pool: Pool, config: ProjectConfig, thresholds: Mapping[str, float], *, rng: np.random.Generator, seed: int
) -> dict[str, Any]:
    """Quality of a model trained as the current one is, on the labeled part of the audit sample.

    Every audit item is predicted by a model that saw neither it nor its family: labeled items are split into folds,
    and each fold is predicted by a model trained on the others. Each item weighs as many items of the pool as it
    stands for: the size of its stratum over the stratum's labeled audit items.

    Args:
        pool: The pool.
        config: The project.
        thresholds: The audit sample's, by stratum.
        rng: Source of the bootstrap's draws.
        seed: Of the folds.

    Returns:
        JSON-ready: `n` audit items, `macro_f1` with interval or None, `per_class` with precision, recall (with
        interval), f1 and support, and `too_few`, the classes with under 5 audit items.
    """
    sample = audit.measure(pool, thresholds)
    labeled = np.flatnonzero(pool.labeled)
    answered = sample.members[labeled]
    probability = cross_fit(pool, labeled, config, seed=seed)
    if probability is None or not answered.any():
        return {"n": int(answered.sum()), "macro_f1": None, "per_class": {}, "too_few": list(pool.classes)}
    rows = labeled[answered]
    targets, weights = pool.targets[rows], _weights(pool, rows)
    predicted = classifier.decide(probability[answered], exclusive=config.task is Task.SINGLE)
    found = evaluate(targets, predicted, probability[answered], classes=pool.classes, weights=weights)
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


def cross_fit(pool: Pool, labeled: Index, config: ProjectConfig, *, seed: int) -> Floats | None:
    """Probabilities (len(labeled), n_classes) of labeled items from models that saw neither them nor their families.

    None when the labels are too few or too much of one class to train in every fold.
    """
    folds = make_folds(pool.targets[labeled], pool.families[labeled], count=_FOLDS, seed=seed)
    if folds.count < 2:
        return None
    probability = np.zeros((len(labeled), len(pool.classes)), dtype=np.float32)
    vectors, exclusive = pool.vectors(labeled), config.task is Task.SINGLE
    for fold in range(folds.count):
        inside = folds.of == fold
        model = classifier.fit(
            vectors[~inside],
            pool.targets[labeled[~inside]],
            classes=pool.classes,
            exclusive=exclusive,
            costs=config.costs,
        )
        if model is None:
            return None
        probability[inside] = classifier.probabilities(model, pool.matrix, pool.rows[labeled[inside]])
    return probability


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
