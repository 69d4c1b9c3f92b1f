"""The light classifier: calibrated linear scores of frozen sentence vectors and of words, and what they decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from shared.blocks import each_block
from shared.halves import single
from shared.pool import Floats, Index, Mask, Matrix, parts_of
from shared.training_options import Training
from workers.training import solver
from workers.training.calibration import Calibration, Doubles
from workers.training.decision import decide as decide_by_score
from workers.training.fitting import NEVER, Sample

# Probabilities that single precision can tell from 0 and from 1.
_TELLING = 1e-30, 1 - 1e-7

# Items scored at once: the block and its product stay in the processor's cache.
_BLOCK = 2_048


@dataclass(frozen=True)
class Recipe:
    """What is kept of a model's tuning when another one like it is tuned on other labels.

    Attributes:
        strength: inverse of the ridge penalty.
        taught: whether it learned from a teacher, see `workers.training.teaching`.
    """

    strength: float
    taught: bool = False


@dataclass(frozen=True)
class Tuning:
    """What was found by cross-fitting, and kept until there are a good many more labels.

    Attributes:
        labels: labeled items that it was found on; 0 for the defaults of the first labels.
        strength: inverse of the ridge penalty.
        calibration: of the scores.
        gain: (n_classes,) offsets of log-probabilities (log-odds where classes don't exclude each other) that make the
            expected macro-F1 over the pool highest.
        trust: (n_classes,) in [0, 1], how far the decision follows probabilities and `gain`, and not the class-weighted
            scores as they are.
        augmented: augmented texts that taught beside the labeled items.
        options: how the fits treated classes of uneven size.
        teacher: calibration of the teacher that the model learned from, and whose `strength` it then is; None where it
            learned from the labels alone.
        wanted: the project's goals, and what they were aimed at with, as JSON; empty without goals.
        aimed: (n_classes,) the offsets that reach the goals, NaN for a class without; None without goals.
        costs: by class, how many times as much an error on it weighed in the fits, where that is not 1.
        augmented_weight: how much each augmented text counted beside its parent; None without any.
    """

    labels: int
    strength: float
    calibration: Calibration
    gain: Doubles
    trust: Doubles
    augmented: int = 0
    options: Training = field(default_factory=Training)
    teacher: Calibration | None = None
    wanted: Mapping[str, Any] = field(default_factory=dict)
    aimed: Doubles | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    augmented_weight: float | None = None

    @property
    def recipe(self) -> Recipe:
        """Of a model like it."""
        return Recipe(self.strength, self.teacher is not None)


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier.

    Attributes:
        classes: names of the columns.
        exclusive: True when an item has exactly one class (softmax), False for any number (sigmoid each).
        weights: (n_classes, d) float32, calibration included.
        bias: (n_classes,) float32, likewise.
        offsets: (n_classes,) float32, added to log-probabilities (log-odds where classes don't exclude each other)
            before a class is decided for.
        tuning: what it was trained with.
        prior: (n_classes,) float32, the part of `bias` that undoes the class weights.
        savings: (n_classes, n_classes) float32, what deciding for the column saves where the row is true; None where
            all errors on a class cost the same. Only where classes exclude each other.
    """

    classes: tuple[str, ...]
    exclusive: bool
    weights: Floats
    bias: Floats
    offsets: Floats
    tuning: Tuning
    prior: Floats
    savings: Floats | None = None

    @property
    def learned(self) -> Mask:
        """(n_classes,) the classes that the labels told from the others."""
        known: Mask = np.abs(self.bias) != -NEVER
        return known


def assemble(
    sample: Sample, coefficients: Floats, tuning: Tuning, *, classes: tuple[str, ...], prior: Doubles
) -> LinearModel:
    """The model of fitted coefficients and their tuning; `prior` as from `fitting.unweighted`.

    Costs bend the scores and are undone in the probabilities; in the decision they count in full, whatever the trust.
    """
    weights, bias = solver.turn_back(sample.axes, coefficients)
    slope, correction = tuning.calibration.slope, prior + tuning.calibration.shift
    known = np.abs(bias) != -NEVER  # never and always stay what they are
    wanted = tuning.gain + np.log(sample.costs)
    return LinearModel(
        classes,
        sample.exclusive,
        (weights * slope[:, None]).astype(np.float32),
        np.where(known, bias * slope + correction, bias).astype(np.float32),
        np.where(known, tuning.trust * wanted - (1 - tuning.trust) * correction, 0).astype(np.float32),
        tuning,
        prior.astype(np.float32),
    )


def coefficients_of(model: LinearModel, sample: Sample) -> Floats:
    """(n_classes, d + 1) float32, on the axes of another sample, of the fit that a model was assembled of: where
    `fitting.fit` may start from. 0 for a class that was not learned."""
    plain = uncalibrated(model)
    found = np.column_stack([plain.weights @ sample.axes.axes, plain.bias])
    return np.where(model.learned[:, None], found, 0).astype(np.float32)


def uncalibrated(model: LinearModel) -> LinearModel:
    """The model with the probabilities of its class-weighted scores, as they were before calibration; of a pupil, those
    that it learned from its teacher."""
    slope = model.tuning.calibration.slope
    correction = model.prior + model.tuning.calibration.shift
    return replace(
        model,
        weights=(model.weights / slope[:, None]).astype(np.float32),
        bias=np.where(model.learned, (model.bias - correction) / slope, model.bias).astype(np.float32),
    )


def probabilities(model: LinearModel, matrix: Matrix, rows: Index) -> Floats:
    """Class probabilities (len(rows), n_classes) float32 of `matrix[rows]`, scored block by block.

    Args:
        model: The classifier.
        matrix: (m, d) float16 or float32 unit vectors, or the pool's features; what is wider than the model is cut off.
        rows: (n,) int64, rows of `matrix`.
    """
    probability = np.empty((len(rows), len(model.classes)), dtype=np.float32)

    def score(block: slice) -> None:
        scores = _products(model.weights, matrix, rows[block]) + model.bias
        probability[block] = normalised(scores, exclusive=model.exclusive)

    each_block(len(rows), _BLOCK, score)
    return probability


def _products(weights: Floats, matrix: Matrix, rows: Index) -> Floats:
    """(len(rows), n_classes) of rows with weights (n_classes, w), part by part: to put them side by side is a copy."""
    products, done = np.zeros((len(rows), len(weights)), dtype=np.float32), 0
    for part in parts_of(matrix, rows):
        own = weights[:, done : done + part.shape[1]]
        if own.shape[1]:
            products += single(part[:, : own.shape[1]]) @ own.T
        done += part.shape[1]
    if done < weights.shape[1]:
        raise ValueError(f"the model looks at {weights.shape[1]} numbers of an item, and there are {done}")
    return products


def normalised(odds: Floats | Doubles, *, exclusive: bool) -> Floats:
    """(n, n_classes) float32 probabilities of log-odds, or of the logits of a softmax where `exclusive`."""
    # Class by class a row's maximum and sum are found for many rows at once, in half the time.
    normal: NDArray[Any] = softmax(odds.T.copy(), axis=0).T if exclusive else expit(odds)
    probability: Floats = normal.astype(np.float32, copy=False)
    return probability


def log_scores(probability: Floats | Doubles, *, exclusive: bool) -> Floats:
    """(n, n_classes) log-probabilities, or log-odds where classes don't exclude each other; always finite."""
    kept: NDArray[Any] = np.clip(probability, *_TELLING)
    scores: Floats = np.log(kept) if exclusive else np.log(kept) - np.log1p(-kept)
    return scores


def decision_scores(model: LinearModel, probability: Floats | Doubles) -> Floats:
    """(n, n_classes): the highest of a row is decided for, or all of 0 and more.

    With savings, the logarithm of what a decision is expected to save stands in for the log-probability; where all
    errors cost the same, the two are equal.
    """
    if model.savings is None:
        scores = log_scores(probability, exclusive=model.exclusive)
    else:
        saved = np.log(np.maximum(probability @ model.savings, _TELLING[0]))
        scores = np.where(model.learned, saved, 2 * np.float32(np.log(_TELLING[0])))  # without a label never the best
    moved: Floats = scores + model.offsets
    return moved


def decide(model: LinearModel, probability: Floats) -> Mask:
    """Predicted classes (n, n_classes) bool: exactly one a row, or any number."""
    return decide_by_score(decision_scores(model, probability), exclusive=model.exclusive)
