"""The bench of aims trains for each of them on the same labels, and its table holds the means over the seeds."""

import numpy as np

from scripts.bench.aims_loop import Quality, aims, measure, report
from scripts.bench.selection_loop.prepared import Prepared
from shared.project import Task
from tests.pools import make_pool
from workers.simulation.preparation import ReplayData, TestSet


def test_each_aim_is_measured_on_the_same_labels() -> None:
    pool, truth = make_pool(items=3_000, classes=("a", "b"), shares=(0.9, 0.1), dimension=3)
    test = np.arange(2_000, 3_000)
    data = ReplayData(
        pool, truth, TestSet(tuple(pool.item_ids[i] for i in test.tolist()), pool.rows[test], truth[test]), 0
    )
    found = list(measure(Prepared(Task.SINGLE, None, data), np.arange(2_000), name="b", seed=0))
    assert [(words, labels) for words, labels, _ in found] == [
        (words, labels) for labels in (200, 500, 1_000) for words in aims(Task.SINGLE, pool.classes, "b")
    ]
    by_aim = {words: quality for words, labels, quality in found if labels == 1_000}
    assert {quality.labels_of_class for quality in by_aim.values()} == {int(truth[:1_000, 1].sum())}
    assert by_aim["recall 0.85"].recall > by_aim["none"].recall
    assert by_aim["error_costs 10"].recall > by_aim["none"].recall


def test_error_costs_are_for_items_of_one_class() -> None:
    assert "error_costs 10" not in aims(Task.MULTI, ("a", "b"), "b")


def test_a_report_holds_the_means_over_the_seeds() -> None:
    seeds = [Quality(20, 0.8, 0.5, 0.6, 0.4), Quality(30, 0.9, 0.3, 0.6, 0.2)]
    line = report({("hate", "recall 0.85", 200): seeds}).splitlines()[-1]
    assert line == "| hate, recall 0.85 | 200 | 25 | 0.850 (0.800 to 0.900) | 0.400 | 0.600 | 0.300 |"
