"""The honesty bench knows the truth, tells it from what is reported, and counts what annotators are asked for."""

import numpy as np
import pytest

from scripts.bench.honesty_loop.budget import Budget, measure_budget
from scripts.bench.honesty_loop.campaign import Campaign, run_campaign
from scripts.bench.honesty_loop.figures import Told, tell
from scripts.bench.honesty_loop.report import budget_table, coverage_table
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.training import audit


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    pool, truth = make_pool(items=3_000, shares=(0.95, 0.05), dimension=8)
    config = ProjectConfig.model_validate(
        {"classes": pool.classes, "selection": {"batch_size": 100, "audit_share": 0.3}}
    )
    found = run_campaign(pool, truth, config, rounds=5, encoder="e")
    assert found is not None
    return found


def test_a_campaign_labels_what_it_chose_and_predicts_all_else_and_itself_unseen(campaign: Campaign) -> None:
    assert campaign.pool.labeled.sum() == 500
    assert np.array_equal(campaign.pool.targets[campaign.labeled], campaign.truth[campaign.labeled])
    assert np.array_equal(campaign.probability[campaign.labeled], campaign.held_out.probability)
    assert campaign.decided.sum(axis=1).tolist() == [1] * 3_000


def test_the_truth_is_that_of_the_whole_pool_and_the_naive_figure_that_of_the_labels(campaign: Campaign) -> None:
    told = {one.figure: one for one in tell(campaign, ("rare",), name="made up")}
    rare, labeled = campaign.truth[:, 1], campaign.labeled
    assert told["prevalence"].true == pytest.approx(rare.mean())
    assert told["recall"].true == pytest.approx(campaign.decided[rare, 1].mean())
    assert told["prevalence"].naive[0] == pytest.approx(rare[labeled].mean())
    assert told["prevalence"].naive[0] > 2 * told["prevalence"].true  # rare items were looked for
    members = audit.measure(campaign.pool, campaign.audit).members
    assert told["recall"].support == (members & rare & campaign.pool.labeled).sum()


def test_more_audit_items_are_nearer_to_the_truth_and_bands_are_worth_more(campaign: Campaign) -> None:
    few, many = (measure_budget(campaign, "rare", name="made up", asked=asked) for asked in (100, 400))
    assert many.banded < few.banded
    assert many.alike < few.alike
    assert few.times_as_many > 1
    by_bands, alike = few.items_for(0.05)
    assert alike / by_bands == pytest.approx(few.times_as_many)


def told(*, low: float, high: float, shown: bool = True) -> Told:
    return Told("a", 0, "rare", "recall", 9, shown, 0.5, (0.5, low, high), (0.9, 0.8, 1.0))


def test_the_tables_count_what_held() -> None:
    cases = [told(low=0.4, high=0.6), told(low=0.6, high=0.7), told(low=0.6, high=0.7, shown=False)]
    row = next(line for line in coverage_table(cases).splitlines() if line.startswith("| recall |"))
    assert "| 2 | 50.0 %" in row
    assert "| 0.0 %" in row
    assert "+0.400" in row
    budgets = [Budget("a", seed, "rare", 0.01, 0.7, 300, 0.1, alike) for seed, alike in ((0, 0.2), (1, 0.2))]
    assert "| 4.0 (4.0 to 4.0) |" in budget_table(budgets)
