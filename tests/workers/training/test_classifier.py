"""The classifier: weights by class frequency, every odd set of labels, and a round trip without pickle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.arrays import dump_arrays
from shared.project import ProjectConfig
from shared.training_options import Training
from tests.models import plain_model
from tests.pools import make_pool
from workers.training import classifier, fitting, model_storage
from workers.training.tuning import train


def test_no_label_and_one_class_only_tell_nothing_apart() -> None:
    assert not fitting.learnable(np.zeros((0, 2), dtype=bool)).any()
    assert not fitting.learnable(np.tile([True, False], (4, 1))).any()
    assert fitting.learnable(np.array([[True, False, True], [True, True, False]])).tolist() == [False, True, True]


def test_a_class_without_an_example_is_never_predicted() -> None:
    pool, truth = make_pool(items=200, classes=("a", "b", "unseen"), shares=(0.5, 0.5, 0.0))
    model = plain_model(pool.vectors(np.arange(200)), truth)
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert probability[:, 2].max() < 1e-6
    assert np.allclose(probability.sum(axis=1), 1.0, atol=1e-5)
    assert not classifier.decide(model, probability)[:, 2].any()
    assert model.learned.tolist() == [True, True, False]


def test_it_learns_two_and_more_classes() -> None:
    for classes, shares in ((("a", "b"), (0.5, 0.5)), (("a", "b", "c"), (0.4, 0.3, 0.3))):
        pool, truth = make_pool(items=400, classes=classes, shares=shares)
        model = plain_model(pool.vectors(np.arange(400)), truth)
        predicted = classifier.decide(model, classifier.probabilities(model, pool.matrix, pool.rows))
        assert (predicted == truth).all(axis=1).mean() > 0.85


def test_a_multi_label_model_knows_classes_that_all_or_no_items_have() -> None:
    pool, truth = make_pool(items=200)
    targets = np.column_stack([truth[:, 0], np.ones(200, dtype=bool), np.zeros(200, dtype=bool)])
    model = plain_model(pool.vectors(np.arange(200)), targets, exclusive=False)
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert probability[:, 1].min() > 0.99
    assert probability[:, 2].max() < 0.01
    assert classifier.decide(model, probability)[:, 1:].tolist() == [[True, False]] * 200
    assert model.learned.tolist() == [True, False, False]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("trust", [0.0, 0.9])
def test_a_costly_class_is_predicted_more_often_and_is_no_more_probable(exclusive: bool, trust: float) -> None:
    pool, truth = make_pool(items=400, dimension=4)
    found = []
    for cost in (1.0, 20.0):
        model = plain_model(
            pool.vectors(np.arange(400)),
            truth,
            classes=pool.classes,
            exclusive=exclusive,
            costs={"rare": cost},
            trust=trust,
        )
        probability = classifier.probabilities(model, pool.matrix, pool.rows)
        found.append((classifier.decide(model, probability)[:, 1].mean(), probability[:, 1].mean()))
    (plain, probable), (costly, still_probable) = found
    assert costly > plain + 0.05
    assert still_probable == pytest.approx(probable, abs=0.03)


@pytest.mark.parametrize("exclusive", [True, False])
def test_probabilities_undo_the_class_weights_and_decisions_of_few_labels_do_not(exclusive: bool) -> None:
    pool, truth = make_pool(items=2_000, shares=(0.95, 0.05), dimension=4)
    model = plain_model(pool.vectors(np.arange(2_000)), truth, exclusive=exclusive)
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert probability[:, 1].mean() == pytest.approx(truth[:, 1].mean(), abs=0.01)
    assert classifier.decide(model, probability)[truth[:, 1], 1].mean() > 0.8  # of the rare ones
    assert (probability[truth[:, 1], 1] >= 0.5).mean() < 0.7


@pytest.mark.parametrize("exclusive", [True, False])
def test_decision_scores_are_finite_for_any_probability(exclusive: bool) -> None:
    probability = np.array([[0, 1], [1, 0], [1e-38, 1 - 1e-7], [0.5, 0.5]], dtype=np.float32)
    scores = classifier.log_scores(probability, exclusive=exclusive)
    assert np.isfinite(scores).all()
    assert (np.diff(scores[:, 0][np.argsort(probability[:, 0])]) >= 0).all()


def test_a_stored_model_is_the_same_model() -> None:
    pool, _ = make_pool(items=200, labeled=100)
    model = train(pool, ProjectConfig(classes=pool.classes))
    assert model is not None
    again = model_storage.load(model_storage.dump(model, header={"labels": 100}))
    assert again.classes == model.classes
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert np.array_equal(probability, classifier.probabilities(again, pool.matrix, pool.rows))
    assert np.array_equal(
        classifier.decision_scores(model, probability), classifier.decision_scores(again, probability)
    )
    assert (again.tuning.labels, again.tuning.strength) == (100, model.tuning.strength)
    for before, after in zip(arrays_of(model.tuning), arrays_of(again.tuning), strict=True):
        assert after.dtype == before.dtype
        assert np.array_equal(before, after)


def arrays_of(tuning: classifier.Tuning) -> list[np.ndarray]:
    return [tuning.calibration.slope, tuning.calibration.shift, tuning.gain, tuning.trust]


def test_a_model_stored_before_there_was_calibration_is_read_as_never_tuned() -> None:
    pool, truth = make_pool(items=60)
    model = plain_model(pool.vectors(np.arange(60)), truth)
    old = dump_arrays(
        {"weights": model.weights, "bias": model.bias}, {"classes": model.classes, "exclusive": True, "encoder": "e"}
    )
    read = model_storage.load(old)
    assert read.tuning.labels == 0
    probability = classifier.probabilities(read, pool.matrix, pool.rows)
    assert (classifier.decide(read, probability).argmax(axis=1) == probability.argmax(axis=1)).all()


@given(rare=st.integers(1, 20), common=st.integers(20, 200), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_repeated_items_lean_decisions_no_more_than_weights_do(rare: int, common: int, seed: int) -> None:
    """With two classes repeating the smaller one up to the larger is what balanced weights are."""
    targets = np.arange(2) == (np.arange(rare + common) < rare)[:, None]
    vectors = np.random.default_rng(seed).normal(size=(len(targets), 4)).astype(np.float32)
    plain, repeated, reduced = (
        fitting.unweighted(
            fitting.gather(
                vectors,
                targets,
                classes=("common", "rare"),
                exclusive=True,
                costs={},
                options=Training(sampling=sampling),
            ),
            np.arange(len(targets)),
        )
        for sampling in ("none", "oversample", "undersample")
    )
    assert repeated == pytest.approx(plain, abs=1e-6)
    assert reduced - reduced[1] == pytest.approx(plain - plain[1], abs=1e-6)
    assert reduced[1] == pytest.approx(0, abs=1e-6)  # of the class that is kept whole nothing is to be undone
