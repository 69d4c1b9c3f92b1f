"""A pupil is taught what lies around items, replaces a model only where it is better, and learns no held-out label."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Augmented, Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from tests.pools import make_pool
from workers.training import classifier, held_out, model_storage, teaching, tuning
from workers.training.calibration import Calibration, Doubles, calibrate, untouched
from workers.training.classifier import LinearModel, Recipe
from workers.training.selection_bias import taught_of
from workers.training.splits import assign_folds
from workers.training.teaching import Lesson
from workers.training.tuning import train, train_on


def topics(*, items: int, seed: int, noise: float, multi: bool = False) -> tuple[Pool, Mask]:
    """Topics of which each has a class, in vectors with so much noise on top that a label says little by itself."""
    rng = np.random.default_rng(seed)
    pool, _ = make_pool(items=items, classes=("a", "b", "c"), shares=(0.4, 0.3, 0.3), dimension=96, seed=seed)
    centres = rng.normal(size=(12, 96))
    topic = rng.integers(12, size=items)
    vectors = centres[topic] + noise * rng.normal(size=(items, 96))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = np.arange(3) == (topic % 3)[:, None]
    if multi:
        truth[:, 2] |= topic == 0
    return replace(pool, matrix=vectors.astype(np.float16)), truth


def told(pool: Pool, truth: Mask, count: int) -> Pool:
    """The pool with just its first items labeled."""
    labeled = np.arange(len(pool)) < count
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None])


def config_of(pool: Pool, **options: object) -> ProjectConfig:
    return ProjectConfig.model_validate({"classes": pool.classes, **options})


def trained(pool: Pool, **options: object) -> LinearModel:
    model = train(pool, config_of(pool, **options))
    assert model is not None
    return model


def right(model: LinearModel, pool: Pool, truth: Mask) -> float:
    """Share of the decisions on items without a label that are right."""
    asked = np.flatnonzero(~pool.labeled)
    said = classifier.decide(model, classifier.probabilities(model, pool.matrix, asked))
    return float((said == truth[asked]).mean())


ALONE = {"training": {"unlabeled": False}}


@pytest.mark.parametrize("task", list(Task)[:2])
def test_where_neighbours_are_alike_a_pupil_takes_over_and_is_better(task: Task) -> None:
    pool, truth = topics(items=3_000, seed=1, noise=2.2, multi=task is Task.MULTI)
    pool = told(pool, truth, 90)
    pupil, alone = trained(pool, task=task), trained(pool, task=task, **ALONE)
    assert (pupil.tuning.teacher is not None, alone.tuning.teacher) == (True, None)
    assert right(pupil, pool, truth) > right(alone, pool, truth) + 0.02


def test_folds_that_are_too_large_to_be_fitted_beside_each_other_give_the_same_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, truth = topics(items=3_000, seed=1, noise=2.2)
    pool = told(pool, truth, 90)
    beside, alone_beside = trained(pool), trained(pool, **ALONE)

    monkeypatch.setattr(held_out, "_FITTED_BESIDE", 0)

    for before, after in ((beside, trained(pool)), (alone_beside, trained(pool, **ALONE))):
        assert (after.tuning.teacher is None) == (before.tuning.teacher is None)
        for part in ("weights", "bias", "offsets"):
            assert getattr(after, part).tobytes() == getattr(before, part).tobytes()


def test_where_neighbours_say_nothing_a_model_stays_its_own() -> None:
    pool, _ = topics(items=2_000, seed=1, noise=1.0)
    truth = np.arange(3) == np.digitize(pool.matrix[:, 0].astype(np.float32), [-0.06, 0.06])[:, None]
    assert trained(told(pool, truth, 600)).tuning.teacher is None


def test_a_kept_tuning_gives_the_model_that_it_was_found_with() -> None:
    pool, truth = topics(items=1_500, seed=2, noise=2.0)
    pool = told(pool, truth, 120)
    first = trained(pool)
    assert first.tuning.teacher is not None
    again = train_on(pool, np.flatnonzero(pool.labeled), config_of(pool), tuning=first.tuning)
    assert again is not None
    assert np.array_equal(first.weights, again.weights)
    assert np.array_equal(first.offsets, again.offsets)
    stored = model_storage.load(model_storage.dump(first, header={}))
    from_stored, from_first = (
        train(told(pool, truth, 130), config_of(pool), previous=previous) for previous in (stored, first)
    )
    assert from_stored is not None
    assert from_first is not None
    assert (from_stored.tuning.labels, from_stored.tuning.recipe) == (120, first.tuning.recipe)
    assert np.array_equal(from_stored.weights, from_first.weights)


def test_decisions_are_found_on_texts_that_a_pupil_was_not_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, truth = topics(items=1_500, seed=2, noise=2.0)
    asked: list[int] = []
    gain = tuning._gain

    def watched(model: LinearModel, odds: Floats) -> Doubles:
        asked.append(len(odds))
        return gain(model, odds)

    monkeypatch.setattr(tuning, "_gain", watched)
    assert trained(told(pool, truth, 120)).tuning.recipe.taught
    assert not trained(told(pool, truth, 120), **ALONE).tuning.recipe.taught
    assert asked == [750, 1_500]


def test_nobody_is_taught_in_a_small_pool_by_few_or_by_very_many_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, truth = topics(items=600, seed=1, noise=1.5)
    assert trained(told(pool, truth, 39)).tuning.teacher is None
    taught = trained(told(pool, truth, 60))
    assert taught.tuning.teacher is not None
    small, truth_of_small = topics(items=499, seed=1, noise=1.5)
    assert trained(told(small, truth_of_small, 60)).tuning.teacher is None
    monkeypatch.setattr(tuning, "_MOST_TAUGHT", 65)
    later = train(told(pool, truth, 70), config_of(pool), previous=taught)
    assert later is not None
    assert (later.tuning.labels, later.tuning.teacher) == (70, None)


@given(fold=st.integers(0, 4), exclusive=st.booleans(), seed=st.integers(0, 1_000))
@settings(max_examples=10, deadline=None)
def test_a_label_is_of_no_account_to_a_pupil_whose_teacher_was_not_fitted_to_it(
    fold: int, exclusive: bool, seed: int
) -> None:
    pool, truth = topics(items=500, seed=seed, noise=1.5, multi=not exclusive)
    config = config_of(pool, task="single" if exclusive else "multi")
    pool, rows = told(pool, truth, 60), np.arange(60)
    folds = assign_folds(pool, seed=0)[rows]
    targets, inside = pool.targets.copy(), np.flatnonzero(folds == fold)
    targets[inside] = np.eye(3, dtype=bool)[np.random.default_rng(seed).integers(3, size=len(inside))]
    said = []
    for each in (pool, replace(pool, targets=targets)):
        lesson = tuning._lesson(each, rows, config, tuning._sample(each, rows, config))
        assert lesson is not None
        said.append(lesson.teach(np.flatnonzero(folds != fold), strength=3.0, calibration=untouched(3)))
    assert np.array_equal(said[0], said[1])


def test_no_teacher_is_calibrated_on_what_its_pupil_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, truth = topics(items=500, seed=0, noise=1.5)
    pool, rows, config = told(pool, truth, 60), np.arange(60), config_of(pool)
    folds, teach = assign_folds(pool, seed=0)[rows], Lesson.teach
    found: list[tuple[Mask, Calibration]] = []
    used: list[tuple[Index, Calibration]] = []
    lesson = tuning._lesson(pool, rows, config, tuning._sample(pool, rows, config))
    assert lesson is not None

    def watched(scores: Floats, targets: Mask, *arguments: Any, **options: Any) -> Calibration:
        found.append((targets, calibrate(scores, targets, *arguments, **options)))
        return found[-1][1]

    def watched_teach(lesson: Lesson, rows: Index, *, strength: float, calibration: Calibration) -> Floats:
        used.append((rows, calibration))
        return teach(lesson, rows, strength=strength, calibration=calibration)

    monkeypatch.setattr(teaching, "calibrate", watched)
    monkeypatch.setattr(Lesson, "teach", watched_teach)
    lesson.try_out(folds, [3.0])
    assert len(used) == 5
    for taught, calibration in used:
        [targets] = [answers for answers, result in found if result is calibration]
        assert np.array_equal(targets, pool.targets[taught])


def test_nobody_learns_the_text_of_a_labeled_family_that_is_held_out() -> None:
    pool, truth = topics(items=600, seed=1, noise=1.5)
    pool = replace(
        told(pool, truth, 100), families=np.arange(600) % 300
    )  # 100 families of one labeled item and one other
    rows, config = np.arange(50), config_of(pool)
    lesson = tuning._lesson(pool, rows, config, tuning._sample(pool, rows, config))
    assert lesson is not None
    taught = taught_of(600, seed=0)
    assert len(lesson.surrounded.coordinates) == (taught % 300 >= 100).sum() < len(taught)
    assert len(lesson.plain.coordinates) == len(lesson.surrounded.coordinates) + 50


def test_where_every_text_has_a_label_there_is_nothing_to_teach_with() -> None:
    pool, truth = topics(items=520, seed=1, noise=1.5)
    assert trained(told(pool, truth, 520)).tuning.teacher is None


def test_a_recipe_is_followed_and_a_tuning_used_whatever_the_number_of_labels() -> None:
    pool, truth = topics(items=800, seed=1, noise=1.5)
    taught = trained(told(pool, truth, 60))
    assert taught.tuning.recipe.taught
    for recipe in (taught.tuning.recipe, Recipe(7.0)):
        model = train_on(told(pool, truth, 60), np.arange(60), config_of(pool), recipe=recipe)
        assert model is not None
        assert model.tuning.recipe == recipe
    few = train_on(told(pool, truth, 30), np.arange(30), config_of(pool), tuning=taught.tuning)
    assert few is not None
    assert few.tuning is taught.tuning


def test_augmented_texts_teach_the_teacher() -> None:
    pool, truth = topics(items=800, seed=1, noise=1.5)
    pool = told(pool, truth, 60)
    made = Augmented(np.arange(20), pool.vectors(np.arange(20) + 400), pool.targets[:20])
    plain, augmented = trained(pool), trained(replace(pool, augmented=made))
    assert plain.tuning.recipe.taught
    assert augmented.tuning.recipe.taught
    assert augmented.tuning.augmented == 20
    assert not np.array_equal(plain.weights, augmented.weights)
