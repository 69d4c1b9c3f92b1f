"""Metrics for rare classes, on a test set or, weighted, on the audit sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Mask

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassMetrics:
    """Quality on one class; `support` counts its items in the sample, unweighted."""

    precision: float
    recall: float
    f1: float
    pr_auc: float | None
    support: int


@dataclass(frozen=True)
class Metrics:
    """Quality on one sample. `macro_f1` averages the classes that occur in it."""

    items: int
    macro_f1: float
    macro_pr_auc: float | None
    per_class: dict[str, ClassMetrics]


def evaluate(
    targets: Mask, predicted: Mask, probability: Floats, *, classes: Sequence[str], weights: Weights | None = None
) -> Metrics:
    """Compare predictions with labels.

    Args:
        targets: (n, n_classes) bool, the labels.
        predicted: (n, n_classes) bool, the decisions.
        probability: (n, n_classes) float32.
        classes: names of the columns.
        weights: (n,) how many items of the pool each row stands for (one over its inclusion probability:
            Horvitz and Thompson 1952); 1 each when None.
    """
    weight = np.ones(len(targets)) if weights is None else weights
    precision, recall, f1 = _rates(targets, predicted, weight)
    support = targets.sum(axis=0)
    areas = [
        area if items else None
        for area, items in zip(average_precisions(targets, probability, weight).tolist(), support.tolist(), strict=True)
    ]
    known = [area for area in areas if area is not None]
    return Metrics(
        items=len(targets),
        macro_f1=float(f1[support > 0].mean()) if support.any() else 0.0,
        macro_pr_auc=float(np.mean(known)) if known else None,
        per_class={
            name: ClassMetrics(
                precision=float(precision[column]),
                recall=float(recall[column]),
                f1=float(f1[column]),
                pr_auc=areas[column],
                support=int(support[column]),
            )
            for column, name in enumerate(classes)
        },
    )


def average_precisions(targets: Mask, probability: Floats, weight: Weights) -> Weights:
    """(n_classes,) average precision of every class, 0 of one that does not occur; as scikit-learn defines it.

    One sort for all classes: scikit-learn's own takes milliseconds a class to check its input.

    Args:
        targets: (n, n_classes) bool, the labels.
        probability: (n, n_classes) float32.
        weight: (n,) float64.
    """
    scores = np.ascontiguousarray(probability.T)
    order = np.argsort(-scores, axis=1)
    score = np.take_along_axis(scores, order, axis=1)
    said = np.cumsum(weight[order], axis=1)
    hit = np.cumsum(np.take_along_axis(targets.T, order, axis=1) * weight[order], axis=1)
    last = np.ones(score.shape, dtype=bool)  # of equal scores, which stand on the same side of any threshold
    last[:, :-1] = score[:, :-1] != score[:, 1:]
    known = np.maximum.accumulate(np.where(last, hit, 0), axis=1)
    gained = np.diff(known, axis=1, prepend=0)
    return _ratio((gained * _ratio(hit, said)).sum(axis=1), hit[:, -1])


def bootstrap(
    targets: Mask, predicted: Mask, weights: Weights, families: Index, *, rng: np.random.Generator, rounds: int = 500
) -> tuple[Interval | None, list[Interval | None]]:
    """95 % percentile intervals of macro-F1 and of each class's recall, drawing whole families with replacement.

    Args:
        targets: (n, n_classes) bool, the labels.
        predicted: (n, n_classes) bool, the decisions.
        weights: (n,) float64, one over the inclusion probability.
        families: (n,) items with equal numbers are drawn together.
        rng: Source of the draws.
        rounds: Number of bootstrap samples.

    Returns:
        Macro-F1, None without labels; and a recall for each class, None where the class does not occur.
    """
    occurring: Mask = targets.sum(axis=0) > 0
    if not occurring.any():
        return None, [None] * targets.shape[1]
    _, family = np.unique(families, return_inverse=True)
    count = int(family.max()) + 1
    macro, recalls = np.empty(rounds), np.full((rounds, targets.shape[1]), np.nan)
    for number in range(rounds):
        times = rng.multinomial(count, np.full(count, 1 / count))
        drawn = weights * times[family]
        _, recall, f1 = _rates(targets, predicted, drawn)
        seen = (targets * drawn[:, None]).sum(axis=0) > 0
        macro[number] = f1[seen].mean() if seen.any() else 0.0
        recalls[number, seen] = recall[seen]
    _, recall, f1 = _rates(targets, predicted, weights)
    return (
        _interval(float(f1[occurring].mean()), macro),
        [
            _interval(float(recall[column]), recalls[:, column]) if occurring[column] else None
            for column in range(targets.shape[1])
        ],
    )


def _rates(targets: Mask, predicted: Mask, weight: Weights) -> tuple[Weights, Weights, Weights]:
    hit = ((targets & predicted) * weight[:, None]).sum(axis=0)
    said = (predicted * weight[:, None]).sum(axis=0)
    true = (targets * weight[:, None]).sum(axis=0)
    return _ratio(hit, said), _ratio(hit, true), _ratio(2 * hit, said + true)


def _ratio(part: Weights, whole: Weights) -> Weights:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)


def _interval(value: float, samples: Weights) -> Interval:
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Interval(value, float(low), float(high))
