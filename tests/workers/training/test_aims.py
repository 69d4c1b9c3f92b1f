"""Trained models decide as the project file wants it: goals before error costs, error costs before macro-F1."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.training import classifier, model_storage
from workers.training.aims import thresholds
from workers.training.classifier import LinearModel
from workers.training.error_costs import cost_matrix, mean_cost
from workers.training.tuning import train

_CLASSES, _SHARES = ("common", "other", "rare"), (0.75, 0.2, 0.05)


def pool_of(dimension: int) -> tuple[Pool, Mask]:
    return make_pool(items=6_000, classes=_CLASSES, shares=_SHARES, labeled=1_200, dimension=dimension, seed=1)


@pytest.fixture(scope="module")
def made() -> tuple[Pool, Mask]:
    """A pool whose classes overlap so much that the rare one is mostly missed or mostly a false alarm."""
    return pool_of(4)


def trained(pool: Pool, *, task: str = "single", **options: object) -> LinearModel:
    model = train(pool, ProjectConfig.model_validate({"task": task, "classes": pool.classes, **options}))
    assert model is not None
    return model


def decided(model: LinearModel, pool: Pool) -> Mask:
    """Decisions for the items without a label."""
    return classifier.decide(model, classifier.probabilities(model, pool.matrix, pool.rows[~pool.labeled]))


def rates(model: LinearModel, pool: Pool, truth: Mask, column: int) -> tuple[float, float]:
    """Recall and precision on the items without a label."""
    said, true = decided(model, pool)[:, column], truth[~pool.labeled][:, column]
    hits = float((said & true).sum())
    return hits / float(true.sum()), hits / max(float(said.sum()), 1.0)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_recall_is_reached_that_was_not_before(made: tuple[Pool, Mask], task: str) -> None:
    pool, truth = made
    plain = rates(trained(pool, task=task), pool, truth, 2)
    aimed = rates(trained(pool, task=task, goals={"rare": {"recall": 0.9}}), pool, truth, 2)
    assert plain[0] < 0.8
    assert aimed[0] == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_precision_is_reached_that_was_not_before(task: str) -> None:
    pool, truth = pool_of(6)
    plain = rates(trained(pool, task=task), pool, truth, 2)
    aimed = rates(trained(pool, task=task, goals={"rare": {"precision": 0.9}}), pool, truth, 2)
    assert plain[1] < 0.8
    assert aimed[1] == pytest.approx(0.9, abs=0.06)


def test_a_goal_leaves_probabilities_and_the_other_offsets_alone(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    plain, aimed = trained(pool), trained(pool, goals={"rare": {"recall": 0.9}})
    assert np.array_equal(plain.bias, aimed.bias)
    assert np.array_equal(plain.weights, aimed.weights)
    assert np.array_equal(plain.offsets[:2], aimed.offsets[:2])
    assert plain.offsets[2] < aimed.offsets[2]


def test_a_tuning_is_kept_with_its_thresholds_until_there_are_other_goals(made: tuple[Pool, Mask]) -> None:
    pool, truth = made
    recall, precision = {"recall": 0.9}, {"precision": 0.5}
    models: list[LinearModel | None] = [None]
    for goals in ({}, {"rare": recall}, {"rare": recall}, {"rare": precision}, {}):
        config = ProjectConfig.model_validate({"classes": pool.classes, "goals": goals})
        models.append(train(pool, config, previous=models[-1]))
    plain, found, kept, other, again = (model for model in models if model is not None)
    assert kept.tuning is found.tuning
    assert len({id(model.tuning) for model in (plain, found, other, again)}) == 4
    assert rates(kept, pool, truth, 2)[0] == pytest.approx(0.9, abs=0.05)
    assert other.offsets[2] < kept.offsets[2]
    assert np.array_equal(again.offsets, plain.offsets)


def test_before_there_is_a_tuning_goals_are_not_aimed_at(made: tuple[Pool, Mask]) -> None:
    pool, truth = made
    few = np.isin(np.arange(len(pool)), np.flatnonzero(pool.labeled)[:39])
    early = replace(pool, labeled=few, targets=truth & few[:, None])
    assert np.array_equal(trained(early).offsets, trained(early, goals={"other": {"recall": 0.99}}).offsets)


def test_a_goal_for_a_class_without_a_label_changes_nothing(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    without = replace(pool, labeled=pool.labeled & ~pool.targets[:, 2], targets=pool.targets & [True, True, False])
    plain, aimed = trained(without), trained(without, goals={"rare": {"recall": 0.9}})
    assert np.array_equal(plain.offsets, aimed.offsets)
    assert not decided(aimed, without)[:, 2].any()


def test_error_costs_make_decisions_cheaper_than_any_other_aim(made: tuple[Pool, Mask]) -> None:
    pool, truth = made
    error_costs = {"rare": {"common": 20.0, "other": 2.0}, "other": {"common": 4.0}}
    costs = cost_matrix(ProjectConfig.model_validate({"classes": pool.classes, "error_costs": error_costs}))
    others = truth[~pool.labeled]

    def cost(model: LinearModel) -> float:
        return mean_cost(others, decided(model, pool), np.ones(len(others)), costs, exclusive=True)

    by_f1, by_class, by_error = (
        trained(pool),
        trained(pool, costs={"rare": 20.0}),
        trained(pool, error_costs=error_costs),
    )
    assert cost(by_error) < cost(by_class)
    assert cost(by_error) < cost(by_f1)


def test_decisions_by_error_costs_are_those_of_least_expected_cost(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    error_costs = {"rare": {"common": 20.0}, "common": {"rare": 0.5}}
    model = trained(pool, error_costs=error_costs)
    costs = cost_matrix(ProjectConfig.model_validate({"classes": pool.classes, "error_costs": error_costs}))
    risk = classifier.probabilities(model, pool.matrix, pool.rows[~pool.labeled]) @ costs
    assert risk[decided(model, pool)] == pytest.approx(risk.min(axis=1), abs=1e-5)


def test_a_goal_wins_over_error_costs_for_its_class(made: tuple[Pool, Mask]) -> None:
    pool, truth = made
    costs = {"common": {"rare": 50.0}}  # by themselves they forbid nearly all decisions for it
    alone = rates(trained(pool, error_costs=costs), pool, truth, 2)
    both = rates(trained(pool, error_costs=costs, goals={"rare": {"recall": 0.9}}), pool, truth, 2)
    assert alone[0] < 0.7
    assert both[0] == pytest.approx(0.9, abs=0.05)


def test_no_error_costs_make_a_class_without_a_label_worth_deciding_for(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    without = replace(pool, labeled=pool.labeled & ~pool.targets[:, 2], targets=pool.targets & [True, True, False])
    free = {"common": {"rare": 0.0, "other": 9.0}, "other": {"rare": 0.0, "common": 9.0}}
    assert not decided(trained(without, error_costs=free), without)[:, 2].any()
    nothing = {name: dict.fromkeys(set(_CLASSES) - {name}, 0.0) for name in _CLASSES}
    assert not decided(trained(without, error_costs=nothing), without)[:, 2].any()


def test_a_threshold_goes_by_the_probability_of_its_class_alone(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    config = ProjectConfig.model_validate({"classes": pool.classes, "goals": {"rare": {"recall": 0.9}}})
    model = trained(pool)
    probability = classifier.probabilities(model, pool.matrix, pool.rows[:1_000])
    flat = probability**0.3  # more of it is among the unlikely ones
    same, found = (thresholds(model, config, probability, alone) for alone in (probability, flat))
    assert np.isnan(found[:2]).all()
    assert found[2] > same[2] + 1


def test_a_model_that_has_seen_the_pool_does_not_take_it_to_be_easy() -> None:
    pool, truth = make_pool(items=1_500, classes=_CLASSES, shares=_SHARES, labeled=1_200, dimension=64, seed=1)
    model = trained(pool, goals={"rare": {"recall": 0.9}})
    assert rates(model, pool, truth, 2)[0] >= 0.8
    config = ProjectConfig.model_validate({"classes": pool.classes, "goals": {"rare": {"recall": 0.9}}})
    probability = classifier.probabilities(model, pool.matrix, pool.rows)
    naive = thresholds(model, config, probability, probability)[2]
    assert model.offsets[2] > naive + 0.5


def test_thresholds_are_stored(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    model = trained(pool, goals={"rare": {"recall": 0.9}})
    again = model_storage.load(model_storage.dump(model, header={})).tuning
    assert model.tuning.aimed is not None
    assert again.aimed is not None
    assert np.array_equal(again.aimed, model.tuning.aimed, equal_nan=True)
    assert again.wanted == model.tuning.wanted
    assert trained(pool).tuning.aimed is None


def test_savings_and_prior_are_stored_and_old_models_do_without(made: tuple[Pool, Mask]) -> None:
    pool, _ = made
    model = trained(pool, error_costs={"rare": {"common": 20.0}})
    again = model_storage.load(model_storage.dump(model, header={}))
    assert np.array_equal(decided(model, pool), decided(again, pool))
    assert np.array_equal(model.prior, again.prior)
    plain = model_storage.load(model_storage.dump(trained(pool), header={}))
    assert plain.savings is None


def test_what_calibration_did_can_be_undone(made: tuple[Pool, Mask]) -> None:
    pool, truth = made
    model = trained(pool)
    raw = classifier.uncalibrated(model)
    before, after = (classifier.probabilities(one, pool.matrix, pool.rows) for one in (raw, model))
    true_share = truth[:, 2].mean()
    assert after[:, 2].mean() == pytest.approx(true_share, abs=0.02)
    assert before[:, 2].mean() > 2 * true_share  # weighted as if all classes were as frequent
    slope = model.tuning.calibration.slope.astype(np.float32)
    shift = (model.tuning.calibration.shift + model.prior).astype(np.float32)
    back = replace(raw, weights=raw.weights * slope[:, None], bias=raw.bias * slope + shift)
    assert classifier.probabilities(back, pool.matrix, pool.rows) == pytest.approx(after, abs=1e-4)
