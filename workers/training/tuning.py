"""Tuning by cross-fitting: the ridge penalty, the calibration and the decisions, without leaking."""

from dataclasses import dataclass, replace

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.training import classifier, fitting
from workers.training.aims import aim, thresholds, wanted
from workers.training.calibration import Doubles, calibrate, untouched
from workers.training.classifier import LinearModel, Recipe, Tuning
from workers.training.decision import best_offsets
from workers.training.fitting import Sample
from workers.training.held_out import Found, best, hold_out
from workers.training.selection_bias import selection_weights, standing_for, standing_on_axes, taught_of
from workers.training.sight import added_to, beside_each_other, drawn, looked_at, may_teach, row_of
from workers.training.solver import on_axes
from workers.training.splits import assign_folds
from workers.training.surroundings import surroundings_of
from workers.training.teaching import Lesson

# Noisy toxicity (Davidson) wants the first, clean intents (HWU64, CLINC150) the others; beyond these nothing improved
# on any development set.
STRENGTHS = (1.0, 3.0, 10.0)
# Fewer labels say too little about a penalty.
_FEWEST = 40
# Drawn to their neighbours items are more alike: a teacher wants the penalty of a model of its own, or a weaker one.
_WEAKER = 1.0, 3.0
# Held-out log loss of labels that are practically all told apart: who has it needs no teacher.
_TOLD_APART = 0.01
# A smaller pool has next to nothing around a text, and with more labels a pupil was no better than a model of its own.
_FEWEST_AROUND, _MOST_TAUGHT = 500, 4_000
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
            as long as it does the fit starts from its coefficients; that of a teacher starts from nothing.
    """
    labeled = _telling(pool, np.flatnonzero(pool.labeled), config)
    alike = (
        previous is not None
        and previous.classes == pool.classes
        and previous.weights.shape[1] == looked_at(pool, labeled[:1], config).shape[1]
        and _still_holds(previous.tuning, pool, labeled, config)
    )
    near = previous if alike else None
    return train_on(pool, labeled, config, tuning=None if near is None else near.tuning, near=near)


def train_on(
    pool: Pool,
    rows: Index,
    config: ProjectConfig,
    *,
    tuning: Tuning | None = None,
    near: LinearModel | None = None,
    recipe: Recipe | None = None,
) -> LinearModel | None:
    """Train on some labeled items; None while there is nothing to tell apart.

    Args:
        pool: The pool.
        rows: (n,) positions of labeled items.
        config: The project.
        tuning: To be used as it is; found on the same rows if not given.
        near: With a tuning, a model of it to start the fit from.
        recipe: Where only the rest is to be tuned.
    """
    rows = _telling(pool, rows, config)
    if not fitting.learnable(pool.targets[rows]).any():
        return None
    sample, lesson = _sample(pool, rows, config), None
    known = recipe if tuning is None else tuning.recipe
    if known.taught if known is not None else _FEWEST <= len(rows) <= _MOST_TAUGHT:
        lesson = _lesson(pool, rows, config, sample)
    if tuning is not None and (tuning.teacher is None or lesson is not None):
        return aim(learn_as(sample, tuning, classes=pool.classes, near=near, lesson=lesson), config)
    like_pool = standing_for(len(pool), seed=config.seed)
    model = learn(
        sample,
        classes=pool.classes,
        folds=assign_folds(pool, seed=config.seed)[rows],
        unlabeled=looked_at(pool, like_pool, config),
        recipe=known,
        aims=Aims(config, row_of(pool, rows)[like_pool]) if config.goals else None,
        lesson=lesson,
    )
    return aim(model, config)


def learn(
    sample: Sample,
    *,
    classes: tuple[str, ...],
    folds: Index,
    unlabeled: Floats | None = None,
    recipe: Recipe | None = None,
    aims: Aims | None = None,
    lesson: Lesson | None = None,
) -> LinearModel:
    """Find a model's tuning by cross-fitting, and fit to all labeled items with it.

    Args:
        sample: n labeled items; some class can be told from the others.
        classes: Names of the columns of its targets.
        folds: (n,) in which fold an item is asked about and teaches nothing.
        unlabeled: (m, d) float32, items like those that decisions are wanted for; the labeled ones themselves, as
            models say of them that did not see them, if not given.
        recipe: Of a model to be alike; the best one is found if not given.
        aims: Goals that thresholds are wanted for, over the unlabeled.
        lesson: What a pupil is taught with, where it proves better than a model of the labels alone.
    """
    nothing, exclusive = np.zeros(len(classes)), sample.exclusive
    found = _find(sample, folds, recipe, lesson) if len(folds) >= _FEWEST else None
    if found is None:
        strength = STRENGTHS[0] if recipe is None else recipe.strength
        untuned = Tuning(0, strength, untouched(len(classes)), nothing, nothing, options=sample.options)
        return learn_as(sample, untuned, classes=classes)
    plain = Tuning(0, found.strength, found.calibration, nothing, nothing, teacher=found.teacher)
    fit = _fit(sample, plain, lesson=lesson)
    draft = classifier.assemble(sample, fit.coefficients, plain, classes=classes, prior=fit.prior)
    said = found.held_out.odds(found.calibration, found.strength, exclusive)
    if found.teacher is not None and lesson is not None and unlabeled is not None:
        unlabeled = unlabeled[lesson.untaught]  # a pupil knows too well what it was taught
        aims = None if aims is None else replace(aims, places=aims.places[lesson.untaught])
    tuning = replace(
        plain,
        labels=len(folds),
        gain=_gain(draft, said if unlabeled is None else _odds(draft, unlabeled)),
        # A pupil is taught probabilities as they are in the pool, and no class weights to fall back on.
        trust=_trust(sample.targets) if found.teacher is None else np.ones(len(classes)),
        augmented=0 if sample.added is None else len(sample.added.parents),
        augmented_weight=None if sample.added is None else sample.added.weight,
        options=sample.options,
        costs=_named(sample.costs, classes),
    )
    model = classifier.assemble(sample, fit.coefficients, tuning, classes=classes, prior=fit.prior)
    if aims is None or unlabeled is None:
        return model
    unseen = _unseen(model, unlabeled, aims.places, said)
    each = _alone(sample, said, found.held_out.known, unseen) if exclusive else unseen
    aimed = thresholds(model, aims.config, unseen, each)
    return replace(model, tuning=replace(tuning, wanted=wanted(aims.config), aimed=aimed))


def learn_as(
    sample: Sample,
    tuning: Tuning,
    *,
    classes: tuple[str, ...],
    near: LinearModel | None = None,
    lesson: Lesson | None = None,
) -> LinearModel:
    """Fit to labeled items with a tuning that is known, from a model that may be near (of other vectors it is not)."""
    fit = _fit(sample, tuning, near=near, lesson=lesson)
    return classifier.assemble(sample, fit.coefficients, tuning, classes=classes, prior=fit.prior)


def _find(sample: Sample, folds: Index, recipe: Recipe | None, lesson: Lesson | None) -> Found | None:
    """The best way to fit, or the best of a recipe; None where the folds tell nothing."""
    if lesson is not None and recipe is not None:
        return lesson.try_out(folds, [recipe.strength])
    held_out = hold_out(sample, folds, STRENGTHS if recipe is None else [recipe.strength])
    if held_out is None:
        return None
    own = best(held_out, sample.targets, exclusive=sample.exclusive)
    if lesson is None or own.loss < _TOLD_APART:
        return own
    taught = lesson.try_out(folds, [own.strength * times for times in _WEAKER])
    return own if taught is None or own.loss <= taught.loss else taught


@dataclass(frozen=True)
class _Fit:
    """A fit to all rows of a sample.

    Attributes:
        coefficients: (n_classes, d + 1) float32.
        prior: (n_classes,) what undoes the class weights in its scores: nothing in those of a pupil.
    """

    coefficients: Floats
    prior: Doubles


def _fit(sample: Sample, tuning: Tuning, *, near: LinearModel | None = None, lesson: Lesson | None = None) -> _Fit:
    everything = np.arange(len(sample.targets))
    if tuning.teacher is not None and lesson is not None:
        coefficients = lesson.teach(everything, strength=tuning.strength, calibration=tuning.teacher)
        return _Fit(coefficients, np.zeros(len(coefficients)))
    alike = near is not None and near.weights.shape[1] == len(sample.axes.axes)
    start = classifier.coefficients_of(near, sample) if near is not None and alike else None
    prior = fitting.unweighted(sample, everything)
    coefficients = fitting.fit(sample, everything, strength=tuning.strength, start=start)
    return _Fit(coefficients, prior)


def _sample(pool: Pool, rows: Index, config: ProjectConfig) -> Sample:
    """Labeled items as they are."""
    standing = standing_on_axes(pool, seed=config.seed)
    words = config.training.lexical and pool.lexical is not None
    return fitting.gather(
        looked_at(pool, rows, config),
        pool.targets[rows],
        axes=standing_on_axes(pool, seed=config.seed, lexical=True).axes if words else standing.axes,
        weights=selection_weights(pool, rows, standing=standing),
        classes=pool.classes,
        exclusive=config.task is Task.SINGLE,
        costs=config.costs,
        families=pool.families[rows],
        options=config.training,
        seed=config.seed,
        added=added_to(pool, rows, config),
    )


def _lesson(pool: Pool, rows: Index, config: ProjectConfig, sample: Sample) -> Lesson | None:
    """What a pupil is taught the labels of items (n,) with, which `sample` holds; None where nothing is around them."""
    if not config.training.unlabeled or len(pool) < _FEWEST_AROUND or not may_teach(pool, seed=config.seed).any():
        return None
    around = surroundings_of(pool, seed=config.seed)
    width = pool.matrix.shape[1]
    seen, added = drawn(around, looked_at(pool, rows, config), width=width), sample.added
    if added is not None:
        added = replace(added, vectors=drawn(around, added.vectors, width=width))
        seen = np.concatenate([seen, added.vectors])
    surrounded, plain = beside_each_other(pool, rows, around, config)
    taught = taught_of(len(pool), seed=config.seed)
    untaught = ~np.isin(standing_for(len(pool), seed=config.seed), taught)
    return Lesson(untaught, replace(sample, axes=on_axes(seen, sample.axes.axes), added=added), surrounded, plain)


def _telling(pool: Pool, rows: Index, config: ProjectConfig) -> Index:
    """Labeled items that teach: not those of a class that the project no longer has, where each item has one class."""
    return rows[pool.targets[rows].any(axis=1)] if config.task is Task.SINGLE else rows


def _still_holds(known: Tuning, pool: Pool, rows: Index, config: ProjectConfig) -> bool:
    """Whether what was found on other labels holds for these: there are not many more, nor many more or fewer augmented
    texts, and nothing else has changed that fits and thresholds go by."""
    augmented = _augmented_of(pool, rows)
    fewer, more = sorted((known.augmented, augmented))
    return (
        len(rows) < known.labels * _GROWTH
        and more <= fewer * _GROWTH
        and known.options == config.training
        and known.costs == _named(np.array([config.costs.get(name, 1.0) for name in pool.classes]), pool.classes)
        and known.augmented_weight == (config.augmentation.weight if augmented else None)
        and known.wanted == wanted(config)
        and not _lacks_aim(known, pool, rows, config)
        and (known.teacher is None or len(rows) <= _MOST_TAUGHT)
    )


def _lacks_aim(known: Tuning, pool: Pool, rows: Index, config: ProjectConfig) -> bool:
    """Whether a class with a goal got its first labels since thresholds were found."""
    if known.aimed is None:
        return False
    with_goal = np.array([name in config.goals for name in pool.classes])
    return bool((with_goal & fitting.learnable(pool.targets[rows]) & np.isnan(known.aimed)).any())


def _named(costs: Doubles, classes: tuple[str, ...]) -> dict[str, float]:
    """By class, what errors cost where it is not 1."""
    return {name: cost for name, cost in zip(classes, costs.tolist(), strict=True) if cost != 1}


def _augmented_of(pool: Pool, rows: Index) -> int:
    """How many augmented texts are made from these labeled items."""
    return 0 if pool.augmented is None else int(np.isin(pool.augmented.parents, rows).sum())


def _unseen(model: LinearModel, vectors: Floats, places: Index, odds: Floats) -> Floats:
    """(m, n_classes) probabilities of items; of those that taught the model by the held-out `odds` of their places."""
    probability = classifier.probabilities(model, vectors, np.arange(len(vectors)))
    taught = np.flatnonzero(places >= 0)
    probability[taught] = classifier.normalised(odds[places[taught]], exclusive=model.exclusive)
    return probability


def _alone(sample: Sample, held_out: Floats, known: Mask, probability: Floats) -> Floats:
    """Probabilities (m, n_classes) of a softmax, with each class put right against all others (Platt scaling).

    Args:
        sample: n labeled items.
        held_out: (n, n_classes) log-probabilities by models that did not see the item.
        known: (n, n_classes) whether that model had learned the class.
        probability: (m, n_classes) to be put right.
    """
    against, nothing = classifier.log_scores(np.exp(held_out), exclusive=False), np.zeros(sample.targets.shape[1])
    found = calibrate(against, sample.targets, known, np.broadcast_to(nothing, against.shape), exclusive=False)
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
