"""Metrics for rare classes, on a test set or, weighted, on the audit sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

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
    precision, recall, f1 = rates(targets, predicted, weight)
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
    """(n_classes,) average precision of every class, 0 of one that does not occur.

    With weights up to 1 it is that of scikit-learn. An item that stands for many counts at its own threshold as one of
    them: the others would not all lie above it, and with few items of a class to count them makes all look better.

    Args:
        targets: (n, n_classes) bool, the labels.
        probability: (n, n_classes) float32.
        weight: (n,) float64.
    """
    return Ranking.of(targets, probability).average_precisions(weight)


@dataclass(frozen=True)
class Ranking:
    """Items by falling probability of each class, sorted once for any number of weightings.

    scikit-learn's own average precision takes milliseconds a class to check its input.

    Attributes:
        order: (n_classes, n) the items.
        ends: (n_classes, n) the place of the last item that is as probable as the one at each place: equals stand on
            the same side of any threshold.
        hits: (n_classes, n) bool, whether they are of the class.
    """

    order: Index
    ends: Index
    hits: Mask

    @classmethod
    def of(cls, targets: Mask, probability: Floats) -> Self:
        """Sort items; arguments as for `average_precisions`."""
        scores = np.ascontiguousarray(probability.T)
        order = np.argsort(-scores, axis=1)
        score = np.take_along_axis(scores, order, axis=1)
        last = np.ones(score.shape, dtype=bool)
        last[:, :-1] = score[:, :-1] != score[:, 1:]
        places = np.where(last, np.arange(score.shape[1]), score.shape[1])
        ends = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
        return cls(order, ends, np.take_along_axis(targets.T, order, axis=1))

    def average_precisions(self, weight: Weights) -> Weights:
        """See the function of this name."""
        drawn, found, said = self._cumulated(weight)
        others = drawn - np.minimum(drawn, 1)
        precision = _ratio(found - others, said - others)
        held = self.hits * drawn
        return _ratio((held * precision).sum(axis=1), held.sum(axis=1))

    def curve(self, column: int, weight: Weights, *, points: int) -> tuple[list[float], list[float]]:
        """Recall, rising, and precision of a class at up to so many thresholds; the class occurs."""
        _, found, said = (part[column] for part in self._cumulated(weight))
        places = np.unique(self.ends[column])
        shown = places[np.unique(np.linspace(0, len(places) - 1, points).round().astype(np.int64))]
        return (found[shown] / found[-1]).tolist(), (found[shown] / said[shown]).tolist()

    def _cumulated(self, weight: Weights) -> tuple[Weights, Weights, Weights]:
        """Weights in order, and at each place those of the hits and of all items that are no less probable."""
        drawn = weight[self.order]
        found, said = np.cumsum(self.hits * drawn, axis=1), np.cumsum(drawn, axis=1)
        return drawn, np.take_along_axis(found, self.ends, axis=1), np.take_along_axis(said, self.ends, axis=1)


def rates(targets: Mask, predicted: Mask, weight: Weights) -> tuple[Weights, Weights, Weights]:
    """Weighted precision, recall and F1 of every class, (n_classes,) each; 0 where nothing is divided by nothing."""
    hit = ((targets & predicted) * weight[:, None]).sum(axis=0)
    said = (predicted * weight[:, None]).sum(axis=0)
    true = (targets * weight[:, None]).sum(axis=0)
    return _ratio(hit, said), _ratio(hit, true), _ratio(2 * hit, said + true)


def _ratio(part: Weights, whole: Weights) -> Weights:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=np.float64), where=whole > 0)
