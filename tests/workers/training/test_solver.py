"""The solver ends where scikit-learn's ends, with weights, with one or several classes a row, and from any start."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from shared.pool import Floats, Mask
from workers.training import solver
from workers.training.solver import Axes


def made_up(rows: int, classes: int, *, dimension: int = 6, seed: int = 0) -> tuple[Floats, Mask]:
    """Unit vectors with a few strong and many weak directions, and one class a row that overlaps with the others."""
    rng = np.random.default_rng(seed)
    answer = rng.integers(classes, size=rows)
    vectors = rng.normal(size=(classes, dimension))[answer] + 1.5 * rng.normal(size=(rows, dimension))
    vectors *= np.geomspace(3, 0.1, dimension)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.arange(classes) == answer[:, None]


def row_weights(rows: int, *, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).uniform(0.2, 5, size=rows).astype(np.float32)


def fit(
    axes: Axes, targets: Mask, weights: Floats, *, strength: float, exclusive: bool, start: Floats | None = None
) -> Floats:
    rows = np.arange(len(targets))
    return solver.minimise(axes, rows, targets, weights, strength=strength, exclusive=exclusive, start=start)


def same_for_all_classes(weights: Floats, classes: int) -> Floats:
    return np.repeat(weights[:, None], classes, axis=1)


def assert_near(found: Floats, expected: NDArray[np.floating]) -> None:
    """The solver stops where probabilities hardly move any more."""
    assert np.abs(found - expected).max() < 0.02
    assert np.abs(found - expected).mean() < 0.002


@pytest.mark.parametrize("strength", [0.3, 1.0, 10.0])
@pytest.mark.parametrize("classes", [3, 5])
def test_a_softmax_is_that_of_scikit_learn(classes: int, strength: float) -> None:
    vectors, targets = made_up(150, classes)
    weights = row_weights(150)
    axes = solver.principal_axes(vectors)
    found = fit(axes, targets, same_for_all_classes(weights, classes), strength=strength, exclusive=True)
    expected = LogisticRegression(C=strength, tol=1e-8, max_iter=5_000).fit(vectors, targets.argmax(1), weights)
    probability = softmax(solver.scores(axes, np.arange(150), found), axis=1)
    assert_near(probability, expected.predict_proba(vectors))


def test_a_softmax_of_two_classes_shares_its_penalty_between_them() -> None:
    vectors, targets = made_up(150, 2)
    weights = row_weights(150)
    axes = solver.principal_axes(vectors)
    found = fit(axes, targets, same_for_all_classes(weights, 2), strength=1.0, exclusive=True)
    expected = LogisticRegression(C=2.0, tol=1e-8, max_iter=5_000).fit(vectors, targets[:, 1], weights)
    probability = softmax(solver.scores(axes, np.arange(150), found), axis=1)
    assert_near(probability, expected.predict_proba(vectors))


@pytest.mark.parametrize("strength", [0.3, 1.0, 10.0])
def test_sigmoids_fitted_together_are_those_of_scikit_learn_fitted_one_by_one(strength: float) -> None:
    vectors, targets = made_up(150, 3)
    targets[:40, 0] = True  # some rows hold two classes
    weights = np.stack([row_weights(150, seed=seed) for seed in range(3)], axis=1)
    axes = solver.principal_axes(vectors)
    found = fit(axes, targets, weights, strength=strength, exclusive=False)
    probability = expit(solver.scores(axes, np.arange(150), found))
    for column in range(3):
        alone = LogisticRegression(C=strength, tol=1e-8, max_iter=5_000)
        alone.fit(vectors, targets[:, column], weights[:, column])
        assert_near(probability[:, column], alone.predict_proba(vectors)[:, 1])


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_weight_of_two_is_a_row_that_stands_there_twice(exclusive: bool) -> None:
    vectors, targets = made_up(80, 3)
    twice = np.concatenate([np.arange(80), np.arange(30)])
    weights = np.where(np.arange(80) < 30, 2, 1)[:, None].repeat(3, axis=1).astype(np.float32)
    axes = solver.principal_axes(vectors)
    weighted = fit(axes, targets, weights, strength=1.0, exclusive=exclusive)
    ones = np.ones((110, 3), dtype=np.float32)
    repeated = solver.minimise(axes, twice, targets[twice], ones, strength=1.0, exclusive=exclusive)
    everything = np.arange(80)
    difference = solver.scores(axes, everything, weighted) - solver.scores(axes, everything, repeated)
    assert np.abs(difference).max() < 0.03


@pytest.mark.parametrize("exclusive", [True, False])
def test_only_the_rows_asked_for_are_fitted_to(exclusive: bool) -> None:
    vectors, targets = made_up(100, 3)
    axes = solver.principal_axes(vectors)
    some, ones = np.arange(20, 80), np.ones((60, 3), dtype=np.float32)
    found = solver.minimise(axes, some, targets[some], ones, strength=1.0, exclusive=exclusive)
    alone = solver.principal_axes(vectors[some])
    expected = solver.minimise(alone, np.arange(60), targets[some], ones, strength=1.0, exclusive=exclusive)
    weights, bias = solver.turn_back(axes, found)
    expected_weights, expected_bias = solver.turn_back(alone, expected)
    scores, expected_scores = vectors @ weights.T + bias, vectors @ expected_weights.T + expected_bias
    assert np.abs(scores - expected_scores).max() < 0.05


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_start_elsewhere_ends_at_the_same_place(exclusive: bool) -> None:
    vectors, targets = made_up(150, 3)
    axes, weights = solver.principal_axes(vectors), same_for_all_classes(row_weights(150), 3)
    cold = fit(axes, targets, weights, strength=3.0, exclusive=exclusive)
    other = fit(axes, targets, weights, strength=0.3, exclusive=exclusive)
    warm = fit(axes, targets, weights, strength=3.0, exclusive=exclusive, start=other)
    everything = np.arange(150)
    to_probability = (lambda scores: softmax(scores, axis=1)) if exclusive else expit
    found, expected, elsewhere = (
        to_probability(solver.scores(axes, everything, coefficients)) for coefficients in (warm, cold, other)
    )
    assert np.abs(found - expected).max() < 0.01
    assert np.abs(elsewhere - expected).max() > 0.1  # it had a way to go


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_start_at_the_end_is_over_at_once(exclusive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def counted(*arguments: Any, **options: Any) -> OptimizeResult:
        result = minimize(*arguments, **options)
        steps.append(result.nit)
        return result

    monkeypatch.setattr(solver, "minimize", counted)
    vectors, targets = made_up(100, 3)
    axes, weights = solver.principal_axes(vectors), np.ones((100, 3), dtype=np.float32)
    found = fit(axes, targets, weights, strength=1.0, exclusive=exclusive)
    again = fit(axes, targets, weights, strength=1.0, exclusive=exclusive, start=found)
    assert steps[1] <= 2 < steps[0]
    assert np.abs(again - found).max() < 0.02


def test_scores_on_the_axes_are_those_of_the_vectors_themselves() -> None:
    vectors, _ = made_up(60, 3, dimension=8)
    axes = solver.principal_axes(vectors)
    coefficients = np.random.default_rng(0).normal(size=(3, 9)).astype(np.float32)
    weights, bias = solver.turn_back(axes, coefficients)
    rows = np.array([5, 1, 59])
    assert solver.scores(axes, rows, coefficients) == pytest.approx(vectors[rows] @ weights.T + bias, abs=1e-4)
    assert axes.coordinates @ axes.axes.T == pytest.approx(vectors, abs=1e-5)
    assert axes.spread == pytest.approx((axes.coordinates**2).mean(axis=0), abs=1e-5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_fewer_rows_than_directions_and_equal_rows_are_no_trouble(exclusive: bool) -> None:
    vectors = np.zeros((4, 16), dtype=np.float32)
    vectors[:, 0] = 1
    targets = np.array([[True, False], [True, False], [True, False], [False, True]])
    axes = solver.principal_axes(vectors)
    found = fit(axes, targets, np.ones((4, 2), dtype=np.float32), strength=10.0, exclusive=exclusive)
    scores = solver.scores(axes, np.arange(4), found)
    probability = softmax(scores, axis=1) if exclusive else expit(scores)
    assert probability[:, 1] == pytest.approx(0.25, abs=0.01)


def test_other_axes_than_the_vectors_own_lead_to_the_same_fit() -> None:
    vectors, targets = made_up(300, 3)
    weights = same_for_all_classes(row_weights(300), 3)
    probabilities = []
    for axes in (solver.axes_of(vectors), solver.axes_of(vectors[:40])):
        turned = solver.on_axes(vectors, axes)
        assert turned.coordinates @ turned.axes.T == pytest.approx(vectors, abs=1e-5)
        found = fit(turned, targets, weights, strength=1.0, exclusive=True)
        probabilities.append(softmax(solver.scores(turned, np.arange(300), found), axis=1))
    assert_near(*probabilities)
