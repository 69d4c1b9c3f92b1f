"""What the current model makes of a window beside the reference: how it decides, how sure it is, how likely rare
classes are to it. Pure.

The model is a function of the text, so that its predictions are compared like any trait of it. That asks for a model
that has seen neither side: items of the reference that have a label are predicted by models that did not see them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.drift.channels import Channel
from workers.drift.detectors import Counts, tabulate
from workers.drift.matching import Matching
from workers.drift.reference import Reference
from workers.drift.statistics import Verdict, judge, judge_mix
from workers.drift.trend import moved, trend_p
from workers.training.bands import RARE_PART

TOLERANCE = 0.1
"""Cohen's w of a small difference of decisions, which moves with every season."""
# Levels of a probability, narrower for small ones: rare classes have hardly any others.
_LEVELS = 64
_SCORES = ((np.arange(_LEVELS) + 0.5) / _LEVELS) ** 2


@dataclass(frozen=True)
class Decided:
    """What a model says of n items.

    Attributes:
        classes: (n,) int64, the class decided for with the highest probability; the number of classes where none is.
        probability: (n, k) float32.
        counts: (k,) int64, items decided for each class.
    """

    classes: Index
    probability: Floats
    counts: Index

    @property
    def confidence(self) -> Floats:
        """(n,) float32, the highest probability."""
        highest: Floats = self.probability.max(axis=1)
        return highest


@dataclass(frozen=True)
class Predicted:
    """What one model says of the window, and what it and models without an item's label say of the reference.

    Attributes:
        model: its version.
        names: the k classes.
        window: of the window's items.
        a: of half A.
        b: of half B.
        comparable: whether no label of the reference had a say in what is said of its item.
    """

    model: int
    names: tuple[str, ...]
    window: Decided
    a: Decided
    b: Decided
    comparable: bool = True

    def reordered(self, order: Index) -> "Predicted":
        """The same of the window's items in another order."""
        window = replace(self.window, classes=self.window.classes[order], probability=self.window.probability[order])
        return replace(self, window=window)

    def tenths(self) -> tuple[Index, Index]:
        """(n_b,) and (n,) int64, the tenth of half A's confidence in which each item of half B and the window is."""
        edges = np.unique(np.quantile(self.a.confidence, np.arange(1, 10) / 10))
        b, window = (np.searchsorted(edges, of.confidence, side="right") for of in (self.b, self.window))
        return b.astype(np.int64), window.astype(np.int64)

    def rare(self) -> Index:
        """Columns of the classes that are rare in the reference, by the model's opinion of it."""
        share = np.concatenate([self.a.probability, self.b.probability]).mean(axis=0, dtype=np.float64)
        return np.flatnonzero(share < share.sum() / len(share) * RARE_PART)


def decided(probability: Floats, chosen: Mask) -> Decided:
    """From probabilities (n, k) float32 and decisions (n, k) bool."""
    among = np.where(chosen, probability, -1.0)
    best = np.where(chosen.any(axis=1), among.argmax(axis=1), probability.shape[1])
    return Decided(best.astype(np.int64), probability.astype(np.float32), chosen.sum(axis=0).astype(np.int64))


def compare_predictions(
    reference: Reference, matching: Matching, predicted: Predicted | None, *, budget: float
) -> Iterator[Verdict]:
    """Verdicts on decisions, confidence and each rare class; none without a model that can be compared."""
    if predicted is None or not predicted.comparable:
        return
    b_tenths, tenths = predicted.tenths()
    for channel, of_b, of_window, names in (
        (Channel.PREDICTED, predicted.b.classes, predicted.window.classes, (*predicted.names, "none of them")),
        (Channel.CONFIDENCE, b_tenths, tenths, tuple(f"tenth {number}" for number in range(1, 11))),
    ):
        counts = matching.counts(of_b, of_window, k=len(names)).part(slice(0, matching.known))
        yield judge_mix(channel, counts, names, budget=budget, tolerance=TOLERANCE)
    rare = predicted.rare().tolist()
    for column in rare:
        counts = _levels(reference, matching, predicted, column)
        yield judge(
            Channel.RARE,
            trend_p(counts, _SCORES),
            share=abs(moved(counts, _SCORES)),
            budget=budget,
            scope=predicted.names[column],
            scopes=len(rare),
        )


def rare_moved(
    reference: Reference, matching: Matching, predicted: Predicted, verdicts: Iterable[Verdict]
) -> dict[str, float]:
    """Of each rare class with an alarm, by how much its share rose, at least; below 0 where it fell."""
    return {
        verdict.scope: moved(_levels(reference, matching, predicted, predicted.names.index(verdict.scope)), _SCORES)
        for verdict in verdicts
        if verdict.channel is Channel.RARE and verdict.alarm
    }


def _levels(reference: Reference, matching: Matching, predicted: Predicted, column: int) -> Counts:
    """The window's items beside those of both halves, as nothing is learned from either, by level of a probability."""
    shape = matching.known, _LEVELS
    strata = np.where(matching.strata < matching.known, matching.strata, -1)
    of_reference = np.concatenate([reference.strata_of_sources[0][reference.a_sources], reference.b_strata])
    likely = np.concatenate([predicted.a.probability[:, column], predicted.b.probability[:, column]])
    before, before_size = tabulate(of_reference, _level(likely), shape=shape)
    window, window_size = tabulate(strata, _level(predicted.window.probability[:, column]), shape=shape)
    return Counts(before, window, before_size, window_size)


def _level(probability: Floats) -> Index:
    levels: Index = np.minimum((np.sqrt(probability.astype(np.float64)) * _LEVELS).astype(np.int64), _LEVELS - 1)
    return levels
