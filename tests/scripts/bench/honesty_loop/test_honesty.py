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


def test_a_narrower_interval_takes_more_items_and_all_cannot_always_do(campaign: Campaign) -> None:
    wide, narrow = (measure_budget(campaign, "rare", name="made up", width=width) for width in (0.2, 0.1))
    assert wide.banded is not None
    assert narrow.banded is None or wide.banded < narrow.banded
    assert measure_budget(campaign, "rare", name="made up", width=0.0001).banded is None


def told(*, low: float, high: float, shown: bool = True) -> Told:
    return Told("a", 0, "rare", "recall", 9, shown, 0.5, (0.5, low, high), (0.9, 0.8, 1.0))


def test_the_tables_count_what_held() -> None:
    cases = [told(low=0.4, high=0.6), told(low=0.6, high=0.7), told(low=0.6, high=0.7, shown=False)]
    row = next(line for line in coverage_table(cases).splitlines() if line.startswith("| recall |"))
    assert "| 2 | 50.0 %" in row
    assert "| 0.0 %" in row
    assert "+0.400" in row
    budgets = [Budget("a", seed, "rare", 0.01, 0.7, 0.05, 100, alike, 4_000) for seed, alike in ((0, 300), (1, None))]
    assert "≥ 21.5 (" in budget_table(budgets)
