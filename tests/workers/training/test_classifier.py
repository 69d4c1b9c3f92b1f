"""The classifier: weights by class frequency, every odd set of labels, and a round trip without pickle."""

import numpy as np
import pytest

from tests.pools import make_pool
from workers.training import classifier


def fit(targets: np.ndarray, vectors: np.ndarray, *, exclusive: bool = True) -> classifier.LinearModel | None:
    names = tuple(f"class-{number}" for number in range(targets.shape[1]))
    return classifier.fit(vectors, targets, classes=names, exclusive=exclusive, costs={})


def test_18_400_and_1_600_items_weigh_0_54_and_6_25() -> None:
    weights = classifier.class_weights(np.array([18_400, 1_600]))
    assert weights == pytest.approx([0.5435, 6.25], abs=1e-4)


def test_a_class_without_an_item_has_no_weight_and_does_not_count() -> None:
    assert classifier.class_weights(np.array([10, 0, 30])) == pytest.approx([2.0, 0.0, 2 / 3])


def test_no_label_and_one_class_only_make_no_model() -> None:
    vectors = np.eye(4, dtype=np.float32)
    assert fit(np.zeros((0, 2), dtype=bool), vectors[:0]) is None
    assert fit(np.tile([True, False], (4, 1)), vectors) is None


def test_a_class_without_an_example_is_never_predicted() -> None:
    pool, truth = make_pool(items=200, classes=("a", "b", "unseen"), shares=(0.5, 0.5, 0.0))
    model = fit(truth, pool.vectors(np.arange(200)))
    assert model is not None
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert probability[:, 2].max() < 1e-6
    assert np.allclose(probability.sum(axis=1), 1.0, atol=1e-5)


def test_it_learns_two_and_more_classes() -> None:
    for classes, shares in ((("a", "b"), (0.5, 0.5)), (("a", "b", "c"), (0.4, 0.3, 0.3))):
        pool, truth = make_pool(items=400, classes=classes, shares=shares)
        model = fit(truth, pool.vectors(np.arange(400)))
        assert model is not None
        predicted = classifier.decide(classifier.probabilities(model, pool.matrix, pool.rows), exclusive=True)
        assert (predicted == truth).all(axis=1).mean() > 0.85


def test_a_multi_label_model_knows_classes_that_all_or_no_items_have() -> None:
    pool, truth = make_pool(items=200)
    targets = np.column_stack([truth[:, 0], np.ones(200, dtype=bool), np.zeros(200, dtype=bool)])
    model = fit(targets, pool.vectors(np.arange(200)), exclusive=False)
    assert model is not None
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert probability[:, 1].min() > 0.99
    assert probability[:, 2].max() < 0.01


def test_a_costly_class_is_predicted_more_often() -> None:
    pool, truth = make_pool(items=400, dimension=4)
    vectors = pool.vectors(np.arange(400))
    share = []
    for cost in (1.0, 20.0):
        model = classifier.fit(vectors, truth, classes=pool.classes, exclusive=True, costs={"rare": cost})
        assert model is not None
        share.append(
            classifier.decide(classifier.probabilities(model, pool.matrix, pool.rows), exclusive=True)[:, 1].mean()
        )
    assert share[1] > share[0]


def test_a_stored_model_gives_the_same_probabilities() -> None:
    pool, truth = make_pool(items=100)
    model = fit(truth, pool.vectors(np.arange(100)))
    assert model is not None
    blob = classifier.dump(model, header={"labels": 100})
    again = classifier.load(blob)
    assert again.classes == model.classes
    assert np.array_equal(
        classifier.probabilities(model, pool.matrix, pool.rows),
        classifier.probabilities(again, pool.matrix, pool.rows),
    )
