"""Tuning by cross-fitting: the ridge penalty, the calibration and the decisions, without leaking."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.blocks import each_block
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.training import classifier, solver
from workers.training.aims import aim, thresholds, wanted
from workers.training.calibration import Calibration, Doubles, calibrate, log_loss, untouched
from workers.training.classifier import Added, LinearModel, Sample, Tuning
from workers.training.decision import best_offsets
from workers.training.selection_bias import selection_weights, standing_for, standing_on_axes
from workers.training.splits import assign_folds

# Noisy toxicity (Davidson) wants the first, clean intents (HWU64, CLINC150) the others; beyond these nothing improved
# on any development set.
STRENGTHS = (1.0, 3.0, 10.0)
# Fewer labels say too little about a penalty.
_FEWEST = 40
# Folds are fitted beside each other while what each takes a copy or two of is no larger: beyond, it is the memory that
# counts, and products are long enough to fill a core.
_FITTED_BESIDE = 2**26
# Tuning holds until there are so many times as many labels.
_GROWTH = 1.25
# Labels of a class at which the offset that its probabilities call for counts by half, and the decision of the
# class-weighted model by half: with few labels the latter errs less.
_HALF_TRUSTED = 50


@dataclass(frozen=True)
class Aims:
    """Goals to find thresholds for.

    Attributes:
        config: The project.
        places: (m,) row of the sample that each item is which stands for the pool, -1 for one that taught nothing.
    """

    config: ProjectConfig
    places: Index


def train(pool: Pool, config: ProjectConfig, *, previous: LinearModel | None = None) -> LinearModel | None:
    """Train on every labeled item of the pool; None while there is nothing to tell apart.

    Args:
        pool: The pool.
        config: The project.
        previous: The last round's model. Its tuning holds until there are a quarter more labels or other options, and
            as long as it does the fit starts from its coefficients.
    """
    labeled = _telling(pool, np.flatnonzero(pool.labeled), config)
    known = previous.tuning if previous is not None and previous.classes == pool.classes else None
    known = known if known is not None and known.options == config.training else None
    fresh = (
        known is not None
        and previous is not None
        and previous.weights.shape[1] == _looked_at(pool, labeled[:1], config).shape[1]
        and _still_holds(known, labels=len(labeled), augmented=_augmented_of(pool, labeled))
        and known.wanted == wanted(config)
    )
    return train_on(pool, labeled, config, tuning=known if fresh else None, near=previous if fresh else None)


def train_on(
    pool: Pool,
    rows: Index,
    config: ProjectConfig,
    *,
    tuning: Tuning | None = None,
    near: LinearModel | None = None,
    strength: float | None = None,
) -> LinearModel | None:
    """Train on some labeled items; None while there is nothing to tell apart.

    Args:
        pool: The pool.
        rows: (n,) positions of labeled items.
        config: The project.
        tuning: To be used as it is; found on the same rows if not given.
        near: With a tuning, a model of it to start the fit from.
        strength: The ridge penalty's inverse, where only the rest is to be tuned.
    """
    exclusive, rows = config.task is Task.SINGLE, _telling(pool, rows, config)
    if not classifier.learnable(pool.targets[rows]).any():
        return None
    standing = standing_on_axes(pool, seed=config.seed)
    words = config.training.lexical and pool.lexical is not None
    sample = classifier.gather(
        _looked_at(pool, rows, config),
        pool.targets[rows],
        axes=standing_on_axes(pool, seed=config.seed, lexical=True).axes if words else standing.axes,
        weights=selection_weights(pool, rows, standing=standing),
        classes=pool.classes,
        exclusive=exclusive,
        costs=config.costs,
        families=pool.families[rows],
        options=config.training,
        seed=config.seed,
        added=_added(pool, rows, config),
    )
    like_pool = standing_for(len(pool), seed=config.seed)
    if tuning is not None:
        model = learn_as(sample, tuning, classes=pool.classes, near=near)
    else:
        model = learn(
            sample,
            classes=pool.classes,
            folds=assign_folds(pool, seed=config.seed)[rows],
            unlabeled=_looked_at(pool, like_pool, config),
            strengths=STRENGTHS if strength is None else (strength,),
            aims=Aims(config, _row_of(pool, rows)[like_pool]) if config.goals else None,
        )
    return aim(model, config)


def learn(
    sample: Sample,
    *,
    classes: tuple[str, ...],
    folds: Index,
    unlabeled: Floats | None = None,
    strengths: Sequence[float] = STRENGTHS,
    aims: Aims | None = None,
) -> LinearModel:
    """Find a model's tuning by cross-fitting, and fit to all labeled items with it.

    Args:
        sample: n labeled items; some class can be told from the others.
        classes: Names of the columns of its targets.
        folds: (n,) in which fold an item is asked about and teaches nothing.
        unlabeled: (m, d) float32, items like those that decisions are wanted for; the labeled ones themselves, as
            models say of them that did not see them, if not given.
        strengths: Inverse ridge penalties to choose from.
        aims: Goals that thresholds are wanted for, over the unlabeled.
    """
    nothing = np.zeros(len(classes))
    held_out = _hold_out(sample, folds, strengths) if len(folds) >= _FEWEST else None
    if held_out is None:
        return learn_as(
            sample,
            Tuning(0, strengths[0], untouched(len(classes)), nothing, nothing, options=sample.options),
            classes=classes,
        )
    strength, calibration = _best(sample, held_out)
    everything = np.arange(len(folds))
    prior, coefficients = (
        classifier.unweighted(sample, everything),
        classifier.fit(sample, everything, strength=strength),
    )
    plain = Tuning(0, strength, calibration, nothing, nothing)
    draft = classifier.assemble(sample, coefficients, plain, classes=classes, prior=prior)
    odds = _odds(draft, unlabeled) if unlabeled is not None else held_out.odds(calibration, strength, sample.exclusive)
    texts = 0 if sample.added is None else len(sample.added.parents)
    tuning = Tuning(
        len(folds), strength, calibration, _gain(draft, odds), _trust(sample.targets), texts, sample.options
    )
    model = classifier.assemble(sample, coefficients, tuning, classes=classes, prior=prior)
    if aims is None or unlabeled is None:
        return model
    unseen = _unseen(model, unlabeled, aims.places, held_out.odds(calibration, strength, sample.exclusive))
    each = _alone(sample, held_out, calibration, strength, unseen) if sample.exclusive else unseen
    aimed = thresholds(model, aims.config, unseen, each)
    return replace(model, tuning=replace(tuning, wanted=wanted(aims.config), aimed=aimed))


def learn_as(
    sample: Sample, tuning: Tuning, *, classes: tuple[str, ...], near: LinearModel | None = None
) -> LinearModel:
    """Fit to labeled items with a tuning that is known, from a model that may be near (of other vectors it is not)."""
    everything = np.arange(len(sample.targets))
    alike = near is not None and near.weights.shape[1] == len(sample.axes.axes)
    start = classifier.coefficients_of(near, sample) if near is not None and alike else None
    coefficients = classifier.fit(sample, everything, strength=tuning.strength, start=start)
    prior = classifier.unweighted(sample, everything)
    return classifier.assemble(sample, coefficients, tuning, classes=classes, prior=prior)


def _looked_at(pool: Pool, index: Index, config: ProjectConfig) -> Floats:
    """(len(index), d) float32, what a model is to see of items: their vectors, and lexical features if wanted."""
    matrix = pool.features if config.training.lexical else pool.matrix
    return matrix[pool.rows[index]].astype(np.float32)


def _telling(pool: Pool, rows: Index, config: ProjectConfig) -> Index:
    """Labeled items that teach: not those of a class that the project no longer has, where each item has one class."""
    return rows[pool.targets[rows].any(axis=1)] if config.task is Task.SINGLE else rows


def _still_holds(known: Tuning, *, labels: int, augmented: int) -> bool:
    """Whether there are not many more labels by now, and neither many more nor fewer augmented texts."""
    fewer, more = sorted((known.augmented, augmented))
    return labels < known.labels * _GROWTH and more <= fewer * _GROWTH


def _augmented_of(pool: Pool, rows: Index) -> int:
    """How many augmented texts are made from these labeled items."""
    return 0 if pool.augmented is None else int(np.isin(pool.augmented.parents, rows).sum())


def _row_of(pool: Pool, rows: Index) -> Index:
    """(n,) the place of each item of the pool among `rows`, -1 where it is not there."""
    places = np.full(len(pool), -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return places


def _added(pool: Pool, rows: Index, config: ProjectConfig) -> Added | None:
    """The augmented texts that are made from these labeled items; those made from others stay away with them."""
    made = pool.augmented
    if made is None:
        return None
    parents = _row_of(pool, rows)[made.parents]
    kept = parents >= 0
    if not kept.any():
        return None
    width = _looked_at(pool, rows[:1], config).shape[1]
    return Added(parents[kept], made.vectors[kept, :width], made.targets[kept], config.augmentation.weight)


@dataclass(frozen=True)
class _HeldOut:
    """What models say of rows of which they saw neither the row nor its family.

    Attributes:
        scores: for each strength (m, n_classes) float32.
        known: (m, n_classes) whether that row's model had learned the class.
        prior: (m, n_classes) what undoes the class weights of that row's model.
    """

    scores: dict[float, Floats]
    known: Mask
    prior: Doubles

    def odds(self, calibration: Calibration, strength: float, exclusive: bool) -> Floats:
        """(m, n_classes) log-probabilities, or log-odds where classes don't exclude each other."""
        odds = np.where(self.known, calibration.apply(self.scores[strength], self.prior), classifier.NEVER)
        return classifier.log_scores(classifier.normalised(odds, exclusive=exclusive), exclusive=exclusive)


def _hold_out(sample: Sample, folds: Index, strengths: Sequence[float]) -> _HeldOut | None:
    """Cross-fit by the folds (m,) of a sample's rows; None when they all are in one."""
    numbers = np.unique(folds)
    if len(numbers) < 2:
        return None
    shape = sample.targets.shape
    scores = {strength: np.zeros(shape, dtype=np.float32) for strength in strengths}
    known, prior = np.zeros(shape, dtype=bool), np.zeros(shape)

    def ask(place: slice) -> None:
        held_out = folds == numbers[place]
        inside, outside = np.flatnonzero(held_out), np.flatnonzero(~held_out)
        learned = classifier.learnable(sample.targets[outside])
        known[inside] = learned
        if not learned.any():
            return
        prior[inside] = classifier.unweighted(sample, outside)
        coefficients: Floats | None = None
        for strength in strengths:
            coefficients = classifier.fit(sample, outside, strength=strength, start=coefficients)
            scores[strength][inside] = solver.scores(sample.axes, inside, coefficients)

    beside = sample.axes.coordinates.nbytes <= _FITTED_BESIDE
    each_block(len(numbers), 1 if beside else len(numbers), ask)
    return _HeldOut(scores, known, prior)


def _best(sample: Sample, held_out: _HeldOut) -> tuple[float, Calibration]:
    """The strength of the lowest held-out log loss after calibration, with that calibration."""
    known, prior, targets, exclusive = held_out.known, held_out.prior, sample.targets, sample.exclusive
    found = []
    for strength, scores in held_out.scores.items():
        calibration = calibrate(scores, targets, known, prior, exclusive=exclusive)
        loss = log_loss(calibration.apply(scores, prior), targets, known, exclusive=exclusive)
        found.append((loss, strength, calibration))
    _, strength, calibration = min(found, key=lambda entry: entry[:2])
    return strength, calibration


def _unseen(model: LinearModel, vectors: Floats, places: Index, odds: Floats) -> Floats:
    """(m, n_classes) probabilities of items; of those that taught the model by the held-out `odds` of their places."""
    probability = classifier.probabilities(model, vectors, np.arange(len(vectors)))
    taught = np.flatnonzero(places >= 0)
    probability[taught] = classifier.normalised(odds[places[taught]], exclusive=model.exclusive)
    return probability


def _alone(
    sample: Sample, held_out: _HeldOut, calibration: Calibration, strength: float, probability: Floats
) -> Floats:
    """Probabilities (m, n_classes) of a softmax, with each class put right against all others (Platt scaling)."""
    odds = np.exp(held_out.odds(calibration, strength, exclusive=True))
    against, nothing = classifier.log_scores(odds, exclusive=False), np.zeros(sample.targets.shape[1])
    found = calibrate(against, sample.targets, held_out.known, np.broadcast_to(nothing, against.shape), exclusive=False)
    return classifier.normalised(
        found.apply(classifier.log_scores(probability, exclusive=False), nothing), exclusive=False
    )


def _odds(model: LinearModel, vectors: Floats) -> Floats:
    """(n, n_classes) float32 log-probabilities, or log-odds where classes don't exclude each other."""
    probability = classifier.probabilities(model, vectors, np.arange(len(vectors)))
    return classifier.log_scores(probability, exclusive=model.exclusive)


def _gain(model: LinearModel, odds: Floats) -> Doubles:
    """Offsets of highest expected macro-F1 over the classes that the model has learned; 0 for the others."""
    learned = np.flatnonzero(model.learned)
    gain = np.zeros(len(model.classes))
    gain[learned] = best_offsets(odds[:, learned].astype(np.float64), exclusive=model.exclusive)
    return gain


def _trust(targets: Mask) -> Doubles:
    counts: Index = targets.sum(axis=0)
    trust: Doubles = counts / (counts + _HALF_TRUSTED)
    return trust
