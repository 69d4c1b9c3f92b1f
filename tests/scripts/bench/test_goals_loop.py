"""The bench of worked goals tells from where on a goal is reached for good."""

import numpy as np
import pytest

from scripts.bench.goals_loop import Course, goal_table, intent_table


def course(recall: list[float], *, precision: float = 0.7, strategy: str = "quietcorner", name: str = "a") -> Course:
    rounds = len(recall)
    labels, f1 = np.arange(1, rounds + 1) * 100, np.linspace(0.5, 0.9, rounds)
    return Course(name, strategy, labels, np.array(recall), np.full(rounds, precision), f1, f1 / 2)


@pytest.mark.parametrize(
    ("recall", "labels"),
    [([0.5, 0.86, 0.9], 200), ([0.9, 0.5, 0.9], 300), ([0.9, 0.9, 0.9], 100), ([0.9, 0.9, 0.5], np.inf)],
)
def test_a_goal_is_reached_where_it_is_no_longer_left(recall: list[float], labels: float) -> None:
    assert course(recall).reached == labels
    assert course(recall, precision=0.5).reached == np.inf


def test_a_goal_that_most_runs_miss_has_no_median() -> None:
    told = goal_table([course([0.9, 0.9]), course([0.5, 0.5]), course([0.5, 0.5])])
    assert "| over 200 | 100 to over 200 | 1 of 3 |" in told


def test_the_table_of_intents_has_a_row_for_each_so_many_rounds() -> None:
    runs = [course([0.9] * 4, strategy=strategy) for strategy in ("quietcorner", "random")]
    assert [line.split(" | ")[0] for line in intent_table(runs, every=2).splitlines()[2:]] == ["| 200", "| 400"]
    assert len(intent_table([], every=2).splitlines()) == 2
