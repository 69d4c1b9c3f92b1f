"""Ways of turning held-out scores into probabilities. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax
from sklearn.isotonic import IsotonicRegression

from shared.pool import Floats, Index, Mask
from workers.training.calibration import Calibration, Doubles, calibrate, log_loss, untouched
from workers.training.splits import spread

_FOLDS = 5
_SLOPES = np.exp(np.linspace(-3, 3, 121))
# From about a thousand examples on, isotonic regression did as well as Platt scaling or better for Niculescu-Mizil and
# Caruana, "Predicting Good Probabilities with Supervised Learning" (ICML 2005); and each step needs some positives.
_ISOTONIC_LABELS, _ISOTONIC_POSITIVES = 1_000, 100


@dataclass(frozen=True)
class HeldOut:
    """What models say of m labeled items of which they saw neither the item nor its family.

    Attributes:
        scores: (m, k) float32.
        targets: (m, k) bool, the labels.
        known: (m, k) bool, whether the item's model had learned the class.
        prior: (m, k) what undoes the class weights of that model.
        families: (m,) items with equal numbers stay together.
        exclusive: Whether classes exclude each other.
    """

    scores: Floats
    targets: Mask
    known: Mask
    prior: Doubles
    families: Index
    exclusive: bool

    def of(self, kept: Mask) -> "HeldOut":
        """Some of the items."""
        return HeldOut(
            self.scores[kept],
            self.targets[kept],
            self.known[kept],
            self.prior[kept],
            self.families[kept],
            self.exclusive,
        )


Apply = Callable[[Floats, Doubles], Doubles]
"""From scores (n, k) and what undoes their class weights, (k,) or (n, k), to probabilities (n, k)."""

Way = Callable[[HeldOut], Apply]


def undone(held: HeldOut) -> Apply:
    """Undo the class weights, and no more."""
    return _scaling(untouched(held.targets.shape[1]), exclusive=held.exclusive)


def vector(held: HeldOut) -> Apply:
    """What the product does: a slope and shifts for a softmax, a slope and a shift for each sigmoid, under a prior."""
    found = calibrate(held.scores, held.targets, held.known, held.prior, exclusive=held.exclusive)
    return _scaling(found, exclusive=held.exclusive)


def temperature(held: HeldOut) -> Apply:
    """One slope for all classes and no shift (Guo et al. 2017, section 4.2)."""
    losses = [
        log_loss(held.scores * slope + held.prior, held.targets, held.known, exclusive=held.exclusive)
        for slope in _SLOPES
    ]
    classes = held.targets.shape[1]
    best = np.full(classes, _SLOPES[int(np.argmin(losses))])
    return _scaling(Calibration(best, np.zeros(classes)), exclusive=held.exclusive)


def isotonic(held: HeldOut, *, fewest: int = 1) -> Apply:
    """Isotonic regression of each class with `fewest` labels on what vector scaling gives it.

    Where classes exclude each other, each is held against all others, and the probabilities are scaled to a sum of one
    (Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability Estimates", KDD 2002).
    """
    scaled = vector(held)
    given = scaled(held.scores, held.prior)
    least = 1 / (len(held.targets) + 2)  # a probability of 0 would make one mistake infinitely wrong
    maps = {
        column: IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(
            given[held.known[:, column], column], held.targets[held.known[:, column], column]
        )
        for column in np.flatnonzero((held.targets & held.known).sum(axis=0) >= fewest)
    }

    def apply(scores: Floats, prior: Doubles) -> Doubles:
        probability = scaled(scores, prior)
        for column, found in maps.items():
            probability[:, column] = found.predict(probability[:, column])
        return probability / probability.sum(axis=1, keepdims=True) if held.exclusive else probability

    return apply


def chosen(held: HeldOut) -> Apply:
    """Of vector scaling, temperature and isotonic regression that of the lowest log loss on labels held out once more.

    Isotonic regression takes part from 1,000 labels on, and in it classes with 100 labels.
    """

    def enough(held: HeldOut) -> Apply:
        return isotonic(held, fewest=_ISOTONIC_POSITIVES)

    ways: list[Way] = [vector, *([temperature] if held.exclusive else [])]
    if len(held.targets) >= _ISOTONIC_LABELS:
        ways.append(enough)
    return min(ways, key=lambda way: _nested_loss(way, held))(held)


WAYS: dict[str, Way] = {
    "vector": vector,
    "undone": undone,
    "temperature": temperature,
    "isotonic": isotonic,
    "chosen": chosen,
}


def mean_log_loss(probability: Doubles, targets: Mask, *, exclusive: bool) -> float:
    """Mean negative log-likelihood of an item's labels."""
    kept = np.clip(probability, 1e-12, 1 - 1e-12)
    if exclusive:
        return float(-np.log(kept[targets]).mean())
    return float(-np.where(targets, np.log(kept), np.log1p(-kept)).sum(axis=1).mean())


def _nested_loss(way: Way, held: HeldOut) -> float:
    nowhere = np.zeros(len(held.targets), dtype=np.int64)
    fold = spread(held.targets, held.families, nowhere, count=_FOLDS, seed=0)
    total = 0.0
    for number in np.unique(fold):
        inside = fold == number
        probability = way(held.of(~inside))(held.scores[inside], held.prior[inside])
        total += mean_log_loss(probability, held.targets[inside], exclusive=held.exclusive) * int(inside.sum())
    return total


def _scaling(found: Calibration, *, exclusive: bool) -> Apply:
    def apply(scores: Floats, prior: Doubles) -> Doubles:
        odds = found.apply(scores, prior)
        return np.asarray(softmax(odds, axis=1) if exclusive else expit(odds), dtype=np.float64)

    return apply
