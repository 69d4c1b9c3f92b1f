"""Models that see lexical features beside the vectors, and models that don't, of the same pool."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Augmented, Lexical, Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.training import classifier
from workers.training.classifier import LinearModel, Recipe
from workers.training.crossfit import cross_fit
from workers.training.tuning import train

WORDS = 4


def made(*, labeled: int = 120) -> tuple[Pool, Mask]:
    """A pool whose vectors tell little of the class; its words tell it. Two rows of the matrix share their words."""
    pool, truth = make_pool(items=400, labeled=labeled, seed=1)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(400, 16))
    words = np.where(truth[:, 1:], 0.7, -0.7) * np.ones(WORDS) + rng.normal(scale=0.3, size=(400, WORDS))
    order = rng.permutation(400)
    lexical = Lexical(words[order].astype(np.float16), np.argsort(order))
    unit = noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return replace(pool, matrix=unit.astype(np.float16), lexical=lexical), truth


def trained(pool: Pool, *, lexical: bool, previous: LinearModel | None = None) -> LinearModel:
    model = train(pool, config_of(pool, lexical=lexical), previous=previous)
    assert model is not None
    return model


def config_of(pool: Pool, *, lexical: bool) -> ProjectConfig:
    return ProjectConfig.model_validate({"classes": pool.classes, "training": {"lexical": lexical}})


def right(model: LinearModel, pool: Pool, truth: Mask) -> float:
    probability = classifier.probabilities(model, pool.features, pool.rows)
    return float((probability.argmax(axis=1) == truth.argmax(axis=1)).mean())


def test_words_teach_where_they_are_wanted_and_are_not_looked_at_where_not() -> None:
    pool, truth = made()
    wide, narrow = (trained(pool, lexical=lexical) for lexical in (True, False))
    assert (wide.weights.shape[1], narrow.weights.shape[1]) == (16 + WORDS, 16)
    assert right(wide, pool, truth) > 0.97
    assert right(narrow, pool, truth) < 0.93


def test_a_model_of_vectors_alone_says_the_same_of_a_pool_with_lexical_features() -> None:
    pool, _ = made()
    model, plain = trained(pool, lexical=False), replace(pool, lexical=None)
    asked = np.arange(0, 400, 3)
    with_words, without = (classifier.probabilities(model, one.features, one.rows[asked]) for one in (pool, plain))
    assert np.array_equal(with_words, without)
    assert np.array_equal(trained(plain, lexical=False).weights, model.weights)


def test_a_model_that_looks_at_more_than_there_is_says_so() -> None:
    pool, _ = made()
    wide, narrow = trained(pool, lexical=True), replace(pool, lexical=None)
    with pytest.raises(ValueError, match="looks at 20 numbers of an item, and there are 16"):
        classifier.probabilities(wide, narrow.features, narrow.rows)


def test_without_features_in_the_pool_the_option_changes_nothing() -> None:
    pool = replace(made()[0], lexical=None)
    assert np.array_equal(trained(pool, lexical=True).weights, trained(pool, lexical=False).weights)


def test_features_that_appear_call_for_new_tuning() -> None:
    pool, truth = made()
    before = trained(replace(pool, lexical=None), lexical=True)
    after = trained(pool, lexical=True, previous=before)
    assert np.array_equal(after.weights, trained(pool, lexical=True).weights)
    assert right(after, pool, truth) > 0.97


def test_held_out_items_are_judged_by_their_words_too() -> None:
    pool, truth = made()
    rows = np.flatnonzero(pool.labeled)
    wide, narrow = (
        cross_fit(pool, rows, config_of(pool, lexical=lexical), recipe=Recipe(3.0), seed=0) for lexical in (True, False)
    )
    assert wide is not None
    assert narrow is not None
    right = [(found.probability.argmax(axis=1) == truth[rows].argmax(axis=1)).mean() for found in (wide, narrow)]
    assert right[0] > 0.95 > right[1]


@pytest.mark.parametrize("lexical", [True, False])
def test_augmented_texts_teach_by_what_the_model_looks_at(lexical: bool) -> None:
    pool, _ = made()
    parents = np.flatnonzero(pool.labeled)[:10]
    texts = Augmented(parents, pool.features[pool.rows[parents]].astype(np.float32), pool.targets[parents])
    model = trained(replace(pool, augmented=texts), lexical=lexical)
    assert model.weights.shape[1] == (16 + WORDS if lexical else 16)
    assert not np.array_equal(model.weights, trained(pool, lexical=lexical).weights)
