"""Costs are those of the project file, savings lead to the least expected cost, and curves are sums by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.pool import Mask
from shared.project import ProjectConfig, parse_project
from tests.pools import make_pool
from workers.training import classifier
from workers.training.decision import decide
from workers.training.error_costs import class_costs, cost_curve, cost_matrix, item_costs, mean_cost, savings
from workers.training.tuning import train


def config_of(*, task: str = "single", **options: object) -> ProjectConfig:
    return ProjectConfig.model_validate({"task": task, "classes": ("a", "b", "c"), **options})


def random_case(seed: int, *, exclusive: bool) -> tuple[Mask, np.ndarray, np.ndarray, np.ndarray]:
    """Targets, scores with ties, weights and costs of anything."""
    rng = np.random.default_rng(seed)
    rows, classes = int(rng.integers(1, 15)), int(rng.integers(2, 5))
    targets = rng.random((rows, classes)) < 0.4
    if exclusive:
        targets = np.arange(classes) == rng.integers(classes, size=rows)[:, None]
    costs = rng.integers(0, 9, size=(classes, classes if exclusive else 2)).astype(np.float64)
    if exclusive:
        np.fill_diagonal(costs, 0)
    return targets, rng.integers(-3, 4, size=(rows, classes)) / 2, rng.uniform(0.5, 2, size=rows), costs


def test_an_error_costs_what_is_said_of_it_or_of_its_true_class_or_one() -> None:
    config = config_of(costs={"b": 4.0}, error_costs={"b": {"a": 9.0}, "c": {"b": 0.0}})
    assert cost_matrix(config).tolist() == [[0, 1, 1], [9, 0, 4], [1, 0, 0]]


def test_of_several_classes_a_miss_costs_what_the_class_does_and_a_false_alarm_one() -> None:
    assert cost_matrix(config_of(task="multi", costs={"b": 4.0})).tolist() == [[1, 1], [4, 1], [1, 1]]


def test_an_error_on_a_class_costs_what_its_errors_do_on_average() -> None:
    config = config_of(costs={"b": 3.0}, error_costs={"c": {"a": 10.0}})
    assert class_costs(config).tolist() == [1.0, 3.0, 5.5]  # of c half of the errors cost 10, and half 1
    assert class_costs(config_of(task="multi", costs={"b": 3.0})).tolist() == [1.0, 3.0, 1.0]


def test_equal_costs_and_costs_by_class_leave_a_diagonal() -> None:
    assert savings(cost_matrix(config_of())).tolist() == np.eye(3).tolist()
    assert savings(cost_matrix(config_of(costs={"c": 5.0}))).tolist() == np.diag([1.0, 1.0, 5.0]).tolist()


@given(seed=st.integers(0, 100_000))
@settings(max_examples=200, deadline=None)
def test_the_decision_that_saves_most_is_that_of_least_expected_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(0, 10, size=(4, 4))
    np.fill_diagonal(matrix, 0)
    probability = rng.dirichlet(np.full(4, 0.5), size=20)
    decided = decide(probability @ savings(matrix), exclusive=True)
    risk = probability @ matrix
    assert risk[decided] == pytest.approx(risk.min(axis=1), abs=1e-5)


def test_the_cost_of_decisions_is_added_up_over_the_items() -> None:
    costs = cost_matrix(config_of(costs={"b": 4.0}, error_costs={"b": {"a": 9.0}}))
    targets = np.array([[0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
    decided = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]], dtype=bool)
    assert item_costs(targets, decided, costs, exclusive=True).tolist() == [9, 4, 0, 0]
    assert mean_cost(targets, decided, np.array([1.0, 2.0, 1.0, 0.0]), costs, exclusive=True) == 17 / 4
    several = cost_matrix(config_of(task="multi", costs={"b": 4.0}))
    assert item_costs(targets, decided, several, exclusive=False).tolist() == [5, 5, 0, 1]


@given(seed=st.integers(0, 100_000), exclusive=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_curve_holds_the_cost_of_every_threshold(seed: int, exclusive: bool) -> None:
    targets, scores, weights, costs = random_case(seed, exclusive=exclusive)
    curve = cost_curve(targets, scores, weights, costs, column=0, exclusive=exclusive)
    found = dict(zip(np.round(curve["flagged"], 9).tolist(), curve["cost"], strict=True))
    assert min(found) == 0
    assert max(found) == pytest.approx(1)
    assert curve["flagged"] == sorted(curve["flagged"])
    for offset in (-100.0, -0.75, -0.25, 0.25, 0.75, 100.0):  # between the scores, so that no tie decides
        decided = decide(scores + np.eye(scores.shape[1])[0] * offset, exclusive=exclusive)
        share = round(float(weights[decided[:, 0]].sum() / weights.sum()), 9)
        counted = costs if exclusive else np.where(np.arange(len(costs))[:, None] == 0, costs, 0)
        by_hand = mean_cost(targets, decided, weights, counted, exclusive=exclusive)
        assert found[share] == pytest.approx(by_hand)


def test_a_curve_has_sixty_points_at_most_and_both_ends() -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(2) == (rng.random(500) < 0.1).astype(int)[:, None]
    scores = rng.normal(size=(500, 2))
    curve = cost_curve(targets, scores, np.ones(500), 1 - np.eye(2), column=1, exclusive=True)
    assert len(curve["flagged"]) == len(curve["cost"]) == 60
    assert curve["cost"][0] == pytest.approx(targets[:, 1].mean())
    assert curve["cost"][-1] == pytest.approx(targets[:, 0].mean())


def test_a_single_class_has_a_curve_too() -> None:
    targets = np.ones((3, 1), dtype=bool)
    curve = cost_curve(targets, np.zeros((3, 1)), np.ones(3), np.array([[2.0, 1.0]]), column=0, exclusive=False)
    assert curve == {"flagged": [0.0, 1.0], "cost": [2.0, 0.0]}


@pytest.mark.parametrize(
    "told", ["costs.rare = inf", "costs.rare = 1e308", "costs.rare = nan", "error_costs.rare.common = 1e9"]
)
def test_a_cost_that_no_sum_can_hold_is_refused(told: str) -> None:
    with pytest.raises(ConfigError, match="costs"):
        parse_project(f'classes = ["common", "rare"]\n{told}', origin="a file")


@pytest.mark.parametrize("cost", [1e-6, 1e6])
def test_the_largest_and_the_smallest_cost_still_make_a_model(cost: float) -> None:
    config = parse_project(f'classes = ["common", "rare"]\ncosts.rare = {cost}', origin="a file")
    pool, _ = make_pool(items=600, labeled=200)
    model = train(pool, config)
    assert model is not None
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    assert np.isfinite(probability).all()
    assert np.isfinite(classifier.decision_scores(model, probability)).all()
