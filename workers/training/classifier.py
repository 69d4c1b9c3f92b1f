"""The light classifier: class-weighted, calibrated logistic regression on frozen sentence vectors and on words."""

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
from workers.right_of_way import pause
from workers.training import sampling, solver
from workers.training.calibration import Calibration, Doubles
from workers.training.decision import decide as decide_by_score
from workers.training.losses import Loss
from workers.training.solver import Axes
from workers.training.weighting import class_weights

# Log-odds of a class that has no example yet: as good as never, yet finite in every sum.
NEVER = -30.0

# Probabilities that single precision can tell from 0 and from 1.
_TELLING = 1e-30, 1 - 1e-7

_DEFAULTS = Training()

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
    """

    labels: int
    strength: float
    calibration: Calibration
    gain: Doubles
    trust: Doubles
    augmented: int = 0
    options: Training = _DEFAULTS
    teacher: Calibration | None = None
    wanted: Mapping[str, Any] = field(default_factory=dict)
    aimed: Doubles | None = None

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


@dataclass(frozen=True)
class Added:
    """Augmented texts: they teach beside the labeled items that they are made from, and are asked about nothing.

    Attributes:
        parents: (k,) int64, row of the labeled item that each is made from. A fit that does not see that row does not
            see the text.
        vectors: (k, d) float32, unit length.
        targets: (k, n_classes) bool; a class of a text is one of its parent's, so a fit that sees it knows the class.
        weight: how much each counts beside its parent.
    """

    parents: Index
    vectors: Floats
    targets: Mask
    weight: float


@dataclass(frozen=True)
class Sample:
    """Labeled items as training sees them.

    Attributes:
        axes: their vectors.
        targets: (n, n_classes) bool.
        weights: (n,) float32, how much each item counts, before class weights.
        costs: (n_classes,) how many times as much an error on a class weighs.
        exclusive: whether each row of `targets` holds exactly one true.
        families: (n,) items with equal numbers are over- and undersampled together.
        options: how fits treat classes of uneven size.
        seed: of over- and undersampling.
        added: augmented texts; the axes hold them after the labeled items.
    """

    axes: Axes
    targets: Mask
    weights: Floats
    costs: Doubles
    exclusive: bool
    families: Index
    options: Training
    seed: int
    added: Added | None = None


def gather(
    vectors: Floats,
    targets: Mask,
    *,
    axes: Floats | None = None,
    weights: Floats | None = None,
    classes: tuple[str, ...],
    exclusive: bool,
    costs: Mapping[str, float],
    families: Index | None = None,
    options: Training = _DEFAULTS,
    seed: int = 0,
    added: Added | None = None,
) -> Sample:
    """Prepare labeled items.

    Args:
        vectors: (n, d) float32, unit length.
        targets: (n, n_classes) bool.
        axes: (d, d) float32, principal axes of vectors like these, which need not be found then.
        weights: (n,) float32, how much each item counts; 1 each if not given.
        classes: names of the columns of `targets`.
        exclusive: whether each row of `targets` holds exactly one true.
        costs: how many times as much an error on a class weighs; 1 where not named.
        families: (n,) items with equal numbers are sampled together; each its own if not given.
        options: how fits treat classes of uneven size.
        seed: of over- and undersampling.
        added: augmented texts that are made from these items.
    """
    cost = np.array([costs.get(name, 1.0) for name in classes])
    counted = np.ones(len(targets), dtype=np.float32) if weights is None else weights
    alone = np.arange(len(targets)) if families is None else families
    all_ = vectors if added is None else np.concatenate([vectors, added.vectors])
    turned = solver.on_axes(all_, solver.axes_of(all_) if axes is None else axes)
    return Sample(turned, targets, counted, cost, exclusive, alone, options, seed, added)


def learnable(targets: Mask) -> Mask:
    """(n_classes,) whether labels (n, n_classes) tell each class from the others."""
    counts = targets.sum(axis=0)
    known: Mask = (counts > 0) & (counts < len(targets))
    return known


def fit(sample: Sample, rows: Index, *, strength: float, start: Floats | None = None) -> Floats:
    """Fit to some rows of a sample and the texts made from them; over- and undersampling is done within the rows.

    Args:
        sample: Labeled items.
        rows: (m,) int64, of the sample.
        strength: Inverse of the ridge penalty, as scikit-learn's `C`.
        start: Coefficients that may be near, such as an earlier call for the same rows returned.

    Returns:
        (n_classes, d + 1) float32 coefficients on the sample's axes; those of a class that can't be learned say never,
        or always where all items have it.
    """
    pause()
    targets = sample.targets[rows]
    learned = np.flatnonzero(learnable(targets))
    coefficients = np.zeros((targets.shape[1], sample.axes.coordinates.shape[1] + 1), dtype=np.float32)
    coefficients[:, -1] = np.where(targets.all(axis=0), -NEVER, NEVER)
    if not len(learned):
        return coefficients
    begin = None if start is None else start[learned]
    fits = [_fit_part(sample, part, learned, strength, begin) for part in _parts(sample, rows)]
    coefficients[learned] = fits[0] if len(fits) == 1 else np.mean(fits, axis=0)
    return coefficients


def unweighted(sample: Sample, rows: Index) -> Doubles:
    """(n_classes,) what to add to the scores of a model fitted to `rows`, so that the class weights are undone.

    A row that was repeated counts as often as it was seen, and one that was left out not at all; augmented texts make
    no class more frequent. Focal loss and smoothed labels bend scores in other ways, which calibration sees to.
    """
    parts = _parts(sample, rows)
    found = [_unweighted_part(sample, part, sample.targets[rows]) for part in parts]
    return found[0] if len(found) == 1 else np.mean(found, axis=0)


def assemble(
    sample: Sample, coefficients: Floats, tuning: Tuning, *, classes: tuple[str, ...], prior: Doubles
) -> LinearModel:
    """The model of fitted coefficients and their tuning; `prior` as from `unweighted`.

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
    """(n_classes, d + 1) float32, on the axes of another sample, of the fit that a model was assembled of: what `fit`
    may start from. 0 for a class that was not learned."""
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
    probability: Floats = (softmax(odds, axis=1) if exclusive else expit(odds)).astype(np.float32, copy=False)
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


def _parts(sample: Sample, rows: Index) -> list[Index]:
    """Rows of each fit to `rows`: of one in which a class can't be told any more, all."""
    targets, options = sample.targets[rows], sample.options
    drawn = sampling.draw(
        targets, sample.families[rows], sampling=options.sampling, members=options.members, seed=sample.seed
    )
    told = learnable(targets)
    return [rows[part] if np.array_equal(learnable(targets[part]), told) else rows for part in drawn]


@dataclass(frozen=True)
class _Taught:
    """What a fit sees.

    Attributes:
        rows: (m,) rows of the axes: labeled items, and the texts made from them.
        targets: (m, n_classes) bool.
        counts: (m,) how much of an item each is: 1 for labeled ones.
        weights: (m,) how much each item, or the item that a text is made from, counts.
    """

    rows: Index
    targets: Mask
    counts: Doubles
    weights: Floats


def _taught(sample: Sample, part: Index) -> _Taught:
    targets, weights, added = sample.targets[part], sample.weights[part], sample.added
    if added is None:
        return _Taught(part, targets, np.ones(len(part)), weights)
    own = np.flatnonzero(np.isin(added.parents, part))
    return _Taught(
        np.concatenate([part, len(sample.targets) + own]),
        np.concatenate([targets, added.targets[own]]),
        np.concatenate([np.ones(len(part)), np.full(len(own), added.weight)]),
        np.concatenate([weights, sample.weights[added.parents[own]]]),
    )


def _fit_part(sample: Sample, part: Index, learned: Index, strength: float, start: Floats | None) -> Floats:
    taught = _taught(sample, part)
    counted = (taught.weights * taught.counts).astype(np.float32)
    weights = _item_weights(taught, sample) * counted[:, None]
    return solver.minimise(
        sample.axes,
        taught.rows,
        taught.targets.take(learned, axis=1),  # unlike `[:, learned]` it leaves each row in one piece for the solver
        weights.take(learned, axis=1),
        strength=strength,
        exclusive=sample.exclusive,
        start=start,
        loss=Loss(sample.options.focal_gamma, sample.options.label_smoothing),
    )


def _unweighted_part(sample: Sample, part: Index, answers: Mask) -> Doubles:
    """What undoes the weights of a fit to `part` and that `part` is not the rows whose labels are `answers`."""
    taught = _taught(sample, part)
    weights, targets = _item_weights(taught, sample) * taught.counts[:, None], taught.targets
    positive = np.divide(
        (weights * targets).sum(axis=0), answers.sum(axis=0), out=np.ones(targets.shape[1]), where=answers.any(axis=0)
    )
    if sample.exclusive:
        # Only differences matter to a softmax, but a decision follows them class by class, as far as each is trusted.
        # So items weigh 1 on average however often they are repeated, or decisions would lean to rare classes the more.
        # Where items are left out they stay as they are: scores of the few that are left are no ground to lean on.
        return np.asarray(np.log(max(len(part) / len(answers), 1.0)) - np.log(positive))
    negative = np.divide(
        (weights * ~targets).sum(axis=0),
        (~answers).sum(axis=0),
        out=np.ones(targets.shape[1]),
        where=~answers.all(axis=0),
    )
    return np.asarray(np.log(negative) - np.log(positive))


def _item_weights(taught: _Taught, sample: Sample) -> Floats:
    """(m, n_classes) weight of each row in the loss of each class."""
    targets, weighting = taught.targets, sample.options.class_weights
    counts, others = taught.counts @ targets, taught.counts @ ~targets
    if sample.exclusive:
        by_class = class_weights(counts, weighting) * sample.costs
        row = by_class[targets.argmax(axis=1)]
        return np.broadcast_to(row[:, None], targets.shape).astype(np.float32)
    sides = np.stack([class_weights(np.array(both), weighting) for both in zip(others, counts, strict=True)])
    return np.where(targets, sides[:, 1] * sample.costs, sides[:, 0]).astype(np.float32)
