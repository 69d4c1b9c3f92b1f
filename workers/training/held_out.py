"""What models say of labeled items that they saw nothing of, nor of their families, and which way to fit is best so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.blocks import each_block
from shared.pool import Floats, Index, Mask
from workers.training import classifier, fitting, solver
from workers.training.calibration import Calibration, Doubles, calibrate, log_loss
from workers.training.fitting import Sample
from workers.training.solver import Axes

# Folds are fitted beside each other while what each takes a copy or two of is no larger: beyond, it is the memory that
# counts, and products are long enough to fill a core.
_FITTED_BESIDE = 2**26


@dataclass(frozen=True)
class HeldOut:
    """Scores of n rows.

    Attributes:
        scores: for each strength (n, n_classes) float32.
        known: (n, n_classes) whether that row's model had learned the class.
        prior: (n, n_classes) what undoes the class weights of that row's model.
    """

    scores: dict[float, Floats]
    known: Mask
    prior: Doubles

    def odds(self, calibration: Calibration, strength: float, exclusive: bool) -> Floats:
        """(n, n_classes) log-probabilities, or log-odds where classes don't exclude each other."""
        odds = np.where(self.known, calibration.apply(self.scores[strength], self.prior), fitting.NEVER)
        return classifier.log_scores(classifier.normalised(odds, exclusive=exclusive), exclusive=exclusive)


@dataclass(frozen=True)
class Found:
    """The best way to fit that was found.

    Attributes:
        held_out: what it said of the rows.
        strength: inverse ridge penalty.
        calibration: of the scores.
        loss: held-out log loss after calibration.
        teacher: the calibration of the teacher where it is a pupil's fit, see `workers.training.teaching`.
    """

    held_out: HeldOut
    strength: float
    calibration: Calibration
    loss: float
    teacher: Calibration | None = None


def hold_out(sample: Sample, folds: Index, strengths: Sequence[float]) -> HeldOut | None:
    """Cross-fit by the folds (n,) of a sample's rows; None when they all are in one."""
    if len(np.unique(folds)) < 2:
        return None
    shape = sample.targets.shape
    scores = {strength: np.zeros(shape, dtype=np.float32) for strength in strengths}
    known, prior = np.zeros(shape, dtype=bool), np.zeros(shape)

    def ask(inside: Index, outside: Index) -> None:
        learned = fitting.learnable(sample.targets[outside])
        known[inside] = learned
        if not learned.any():
            return
        prior[inside] = fitting.unweighted(sample, outside)
        coefficients: Floats | None = None
        for strength in strengths:
            coefficients = fitting.fit(sample, outside, strength=strength, start=coefficients)
            scores[strength][inside] = solver.scores(sample.axes, inside, coefficients)

    each_fold(folds, ask, of=sample.axes)
    return HeldOut(scores, known, prior)


def each_fold(folds: Index, ask: Callable[[Index, Index], None], *, of: Axes) -> None:
    """Call `ask` with the rows of every fold, and those of all others; of several folds at once where that is right.

    Args:
        folds: (n,) in which fold a row is.
        ask: Writes only what is of the fold's own rows.
        of: What each call takes a copy or two of.
    """
    numbers = np.unique(folds)

    def ask_some(place: slice) -> None:
        for number in numbers[place]:
            ask(np.flatnonzero(folds == number), np.flatnonzero(folds != number))

    each_block(len(numbers), 1 if of.coordinates.nbytes <= _FITTED_BESIDE else len(numbers), ask_some)


def best(held_out: HeldOut, targets: Mask, *, exclusive: bool) -> Found:
    """The strength of the lowest log loss after calibration, with that calibration.

    Args:
        held_out: What models said of n rows.
        targets: (n, n_classes) bool, their labels.
        exclusive: Whether classes exclude each other.
    """
    found = []
    for strength, scores in held_out.scores.items():
        calibration = calibrate(scores, targets, held_out.known, held_out.prior, exclusive=exclusive)
        odds = calibration.apply(scores, held_out.prior)
        loss = log_loss(odds, targets, held_out.known, exclusive=exclusive)
        found.append(Found(held_out, strength, calibration, loss))
    return min(found, key=lambda one: (one.loss, one.strength))
