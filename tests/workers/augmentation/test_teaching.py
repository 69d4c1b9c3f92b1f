"""Augmented texts teach beside their parents and nowhere else; nothing is asked, calibrated or measured on them."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Augmented, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from shared.repository.augmentation import apart_from_others
from tests.pools import make_pool
from workers.selection.round import RoundPlan, select
from workers.training import classifier, fitting, model_storage
from workers.training.classifier import LinearModel, Recipe
from workers.training.crossfit import cross_fit
from workers.training.held_out import hold_out
from workers.training.sight import added_to
from workers.training.splits import assign_folds
from workers.training.tuning import STRENGTHS, train, train_on

CLASSES = "a", "b", "c"


def made_pool(*, labeled: int, families: int, seed: int, exclusive: bool = True) -> Pool:
    """A pool in families, of whose labeled items texts were made: some like their parents, some misleading."""
    pool, truth = make_pool(items=labeled + 40, classes=CLASSES, shares=(0.6, 0.3, 0.1), dimension=6, seed=seed)
    rng = np.random.default_rng(seed)
    truth = truth if exclusive else truth | (rng.random(truth.shape) < 0.15)
    is_labeled = np.arange(len(pool)) < labeled
    pool = replace(
        pool,
        labeled=is_labeled,
        targets=truth & is_labeled[:, None],
        families=rng.integers(families, size=len(pool)),
    )
    return replace(pool, augmented=texts_of(pool, rng.integers(labeled, size=labeled // 2), rng))


def texts_of(pool: Pool, parents: Index, rng: np.random.Generator) -> Augmented:
    vectors = pool.vectors(parents) + rng.normal(size=(len(parents), 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Augmented(parents, vectors, pool.targets[parents])


def turned(texts: Augmented, chosen: Mask) -> Augmented:
    """The texts with another class for those that are chosen: of the two that every fold has, the wrong one."""
    other = np.where(texts.targets[:, :1], np.eye(3, dtype=bool)[1], np.eye(3, dtype=bool)[0])
    return replace(texts, targets=np.where(chosen[:, None], other, texts.targets))


def config_of(exclusive: bool, **options: object) -> ProjectConfig:
    task = Task.SINGLE if exclusive else Task.MULTI
    return ProjectConfig.model_validate({"classes": CLASSES, "task": task, **options})


def equal(one: LinearModel | None, two: LinearModel | None) -> bool:
    assert one is not None
    assert two is not None
    return model_storage.dump(one, header={}) == model_storage.dump(two, header={})


sampling_kinds = st.sampled_from(["none", "oversample", "undersample"])


@given(
    fold=st.integers(0, 4),
    families=st.integers(20, 200),
    exclusive=st.booleans(),
    sampling=sampling_kinds,
    seed=st.integers(0, 10_000),
)
@settings(max_examples=25, deadline=None)
def test_what_is_said_of_a_family_never_depends_on_texts_made_of_it(
    fold: int, families: int, exclusive: bool, sampling: str, seed: int
) -> None:
    pool = made_pool(labeled=60, families=families, seed=seed, exclusive=exclusive)
    assert pool.augmented is not None
    folds = assign_folds(pool, seed=0)
    held_out = folds[pool.augmented.parents] == fold
    other = replace(pool, augmented=turned(pool.augmented, held_out))
    config = config_of(exclusive, training={"sampling": sampling, "members": 2})
    asked = np.flatnonzero(pool.labeled & (folds == fold))
    rows = np.flatnonzero(pool.labeled)
    if not len(asked):
        return

    # Evaluation: every other label of the fold's models, and so their calibration and offsets, is held out with it.
    one, two = (cross_fit(each, asked, config, recipe=Recipe(3.0), seed=0) for each in (pool, other))
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert np.array_equal(one.probability, two.probability)
        assert np.array_equal(one.decided, two.decided)

    # Tuning: what the strength and the calibration are found on.
    inside = folds[rows] == fold
    held = [hold_out(_sample(each, rows, config), folds[rows], STRENGTHS) for each in (pool, other)]
    if held[0] is not None and held[1] is not None:
        for strength in STRENGTHS:
            assert np.array_equal(held[0].scores[strength][inside], held[1].scores[strength][inside])
        assert np.array_equal(held[0].prior[inside], held[1].prior[inside])
        assert held[0].scores[3.0].shape == (len(rows), len(CLASSES))  # and of the texts nothing is asked


def _sample(pool: Pool, rows: Index, config: ProjectConfig) -> fitting.Sample:
    return fitting.gather(
        pool.vectors(rows),
        pool.targets[rows],
        classes=CLASSES,
        exclusive=config.task is Task.SINGLE,
        costs={},
        families=pool.families[rows],
        options=config.training,
        added=added_to(pool, rows, config),
    )


@given(exclusive=st.booleans(), sampling=sampling_kinds, seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_texts_whose_parent_does_not_teach_are_as_if_they_were_not_there(
    exclusive: bool, sampling: str, seed: int
) -> None:
    pool = made_pool(labeled=60, families=80, seed=seed, exclusive=exclusive)
    made = pool.augmented
    assert made is not None
    rows = np.flatnonzero(pool.labeled & (pool.families % 3 != 0))
    kept = np.isin(made.parents, rows)
    without = replace(pool, augmented=Augmented(made.parents[kept], made.vectors[kept], made.targets[kept]))
    config = config_of(exclusive, training={"sampling": sampling, "members": 2})

    assert equal(train_on(pool, rows, config), train_on(without, rows, config))


def test_texts_teach() -> None:
    pool = made_pool(labeled=60, families=200, seed=3)
    assert pool.augmented is not None
    plain = train(replace(pool, augmented=None), config_of(True))

    assert not equal(train(pool, config_of(True)), plain)
    half, whole = (train(pool, config_of(True, augmentation={"weight": weight})) for weight in (0.5, 1.0))
    assert not equal(half, whole)


def test_a_text_of_full_weight_that_repeats_its_parent_is_that_item_twice() -> None:
    pool, truth = make_pool(items=90, classes=CLASSES, shares=(0.6, 0.3, 0.1), dimension=6, labeled=0)
    rows = np.arange(30)
    pool = replace(pool, labeled=np.arange(90) < 30, targets=truth & (np.arange(90) < 30)[:, None])
    vectors, targets = pool.vectors(rows), pool.targets[rows]
    parents = np.flatnonzero(targets[:, 2])
    added = fitting.Added(parents, vectors[parents], targets[parents], 1.0)
    options = {"classes": CLASSES, "exclusive": True, "costs": {}}
    twice = np.concatenate([rows, parents])
    one = fitting.gather(vectors, targets, added=added, **options)  # type: ignore[arg-type] # names in a dictionary
    two = fitting.gather(vectors[twice], targets[twice], **options)  # type: ignore[arg-type] # likewise

    first, second = (
        fitting.fit(sample, np.arange(count), strength=1.0) for sample, count in ((one, 30), (two, len(twice)))
    )
    for sample, coefficients in ((one, first), (two, second)):
        weights = coefficients[:, :-1] @ sample.axes.axes.T
        assert np.allclose(weights, second[:, :-1] @ two.axes.axes.T, atol=2e-2)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_texts_make_no_class_more_frequent_in_the_probabilities(seed: int) -> None:
    pool, truth = make_pool(items=600, shares=(0.8, 0.2), dimension=6, labeled=300, seed=seed)
    rng = np.random.default_rng(seed)
    rare = np.flatnonzero(pool.targets[:, 1])
    # A fit to texts that say nothing new must end where the labels alone end.
    pool = replace(pool, augmented=texts_of(pool, np.repeat(rare, 3), rng))
    config = ProjectConfig(classes=pool.classes)
    model = train(pool, config)
    assert model is not None
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert abs(probability[:, 1].mean() - truth[:, 1].mean()) < 0.08


def test_tuning_is_found_anew_when_there_are_many_more_texts_or_fewer() -> None:
    pool = made_pool(labeled=60, families=200, seed=1)
    made = pool.augmented
    assert made is not None
    config = config_of(True)
    before, after = train(replace(pool, augmented=None), config), train(pool, config)
    assert before is not None
    assert after is not None
    fewer = replace(pool, augmented=Augmented(made.parents[:25], made.vectors[:25], made.targets[:25]))

    assert (before.tuning.augmented, after.tuning.augmented) == (0, 30)
    assert _tuned_anew(pool, config, before)
    assert not _tuned_anew(fewer, config, after)
    assert _tuned_anew(replace(pool, augmented=None), config, after)
    assert model_storage.load(model_storage.dump(after, header={})).tuning.augmented == 30


def _tuned_anew(pool: Pool, config: ProjectConfig, previous: LinearModel) -> bool:
    model = train(pool, config, previous=previous)
    assert model is not None
    return model.tuning is not previous.tuning


def test_selection_does_not_see_texts() -> None:
    pool = made_pool(labeled=60, families=200, seed=2)
    config, without = config_of(True), replace(pool, augmented=None)
    model = train(without, config)
    plan = RoundPlan(number=1, places=20, encoder="e", model=1)
    assert select(pool, model, config, plan) == select(without, model, config, plan)


def test_a_text_like_a_labeled_item_of_another_family_does_not_teach() -> None:
    pool, _ = make_pool(items=20, labeled=0)
    pool = replace(pool, labeled=np.arange(20) < 10, families=np.array([0, 0, *range(1, 19)]))
    parents = np.array([0, 0, 0, 0])
    # Its own parent, its parent's relative, a stranger, and a stranger without a label.
    vectors = pool.vectors(np.array([0, 1, 2, 15]))
    assert apart_from_others(vectors, parents, pool, threshold=0.999).tolist() == [True, True, False, True]
