from dataclasses import replace
from typing import Any

import pytest

from tests.workers.reporting.made_up import made_up_history
from workers.reporting.advice import advice, precision_at
from workers.reporting.history import History

CLASSES, SHARES = ("praise", "delay", "fraud"), (0.7, 0.27, 0.03)


def test_what_waits_on_the_queue_comes_first() -> None:
    assert advice(_history())[0] == "Have the 34 items on the annotation queue labeled."
    idle = _history(queue={"waiting": 0, "leased": 0, "done": 9})

    assert advice(idle)[0] == "Nothing waits on the annotation queue: quietcorner batch next made-up chooses more."


def test_without_items_all_else_waits() -> None:
    empty = _history(items={"total": 0, "distinct": 0, "embedded": 0, "by_source": {}})

    assert advice(empty) == ["Bring in items: quietcorner ingest made-up FILE."]


def test_a_recall_that_is_missed_is_told_with_what_it_would_cost() -> None:
    history = made_up_history(CLASSES, SHARES, goals={"fraud": {"recall": 1.0, "precision": None}}, skill=1.5)
    labels = history.status["labels"]["by_class"]["fraud"]
    price = precision_at(history.models[-1].metrics["curves"]["fraud"], 1.0)
    told = next(line for line in advice(history) if "may lift its recall" in line)

    assert price is not None
    assert told.startswith(
        f"More labels of fraud may lift its recall (it has {labels} labels). Today a recall of 100 %"
    )
    assert f"{100 * price:.0f}" in told or f"{100 * price:.1f}" in told


def test_the_price_of_a_recall_is_the_best_precision_that_has_it() -> None:
    curve = {"recall": [0.2, 0.5, 0.8, 1.0], "precision": [1.0, 0.6, 0.7, 0.1]}

    assert [precision_at(curve, recall) for recall in (0.1, 0.5, 0.9)] == [1.0, 0.7, 0.1]
    assert precision_at({"recall": [0.5], "precision": [0.5]}, 0.9) is None
    assert precision_at(None, 0.5) is None


def test_classes_with_too_few_audit_items_and_stopped_rules_are_told() -> None:
    history = made_up_history(CLASSES, (0.7, 0.29, 0.01), items=40)
    told = advice(history)

    assert any(line.startswith("The quality of fraud can be told once there are 5 audit items") for line in told)
    assert "1 seeding rule found less than chance and got no more places: angry words." in told[-1]


@pytest.mark.parametrize(("low", "told"), [(0.02, False), (0.08, True)])
def test_probabilities_that_are_surely_off_are_told(low: float, told: bool) -> None:
    history = _history()
    history.models[-1].metrics["reliability"]["ece"] = {"value": 0.1, "low": low, "high": 0.2}

    assert any("don't filter by them" in line for line in advice(history)) == told


def test_before_the_first_model_there_is_something_to_do() -> None:
    assert advice(replace(_history(rules=[]), models=[])) == ["Have the 34 items on the annotation queue labeled."]


def _history(**status: Any) -> History:
    history = made_up_history(CLASSES, SHARES, rounds=2)
    history.status.update(status)
    return history
