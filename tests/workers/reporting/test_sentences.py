from dataclasses import replace
from typing import Any

import pytest

from tests.workers.reporting.made_up import made_up_history
from workers.reporting.history import History
from workers.reporting.sentences import counted, goal_figures, goal_state, headline, listed, share, window_findings


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0 %"),
        (1e-9, "0.0 %"),
        (0.00042, "0.04 %"),
        (0.004, "0.4 %"),
        (0.053, "5.3 %"),
        (0.1, "10 %"),
        (0.996, "100 %"),
        (1, "100 %"),
    ],
)
def test_shares_are_told_in_percent_with_a_decimal_where_small(value: float, told: str) -> None:
    assert share(value) == told


def test_nouns_follow_their_numbers() -> None:
    assert [counted(1, "item"), counted(1_200, "item"), counted(2, "class", "classes")] == [
        "1 item",
        "1,200 items",
        "2 classes",
    ]


def test_long_lists_are_cut_and_say_by_how_much() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"


def test_a_window_without_findings_says_so() -> None:
    assert window_findings({}) == ["Nothing beyond chance."]


def test_a_window_with_which_evidence_became_enough_says_what_gathered() -> None:
    gathered = [{"channel": "text", "scope": "length", "in": ["category 1", "category 9"], "share": 0.061}]
    assert window_findings({"tests": {}, "gathered": gathered}) == [
        "By itself nothing beyond chance.",
        "Beyond chance together with the windows before it: text: length (category 1 and category 9), 6.1 % of the "
        "items.",
    ]


@pytest.mark.parametrize(
    ("predicted", "which"),
    [
        (None, "another"),
        ({}, "another"),
        ({"rare_moved": {"fraud": 0.012}}, "a larger"),
        ({"rare_moved": {"fraud": -0.012}}, "a smaller"),
    ],
)
def test_a_window_with_another_share_of_a_rare_class_says_of_which_and_which_way_where_it_is_known(
    predicted: dict[str, Any] | None, which: str
) -> None:
    assert window_findings({"tests": {"rare: fraud": {"alarm": True, "share": 0.012}}, "predicted": predicted}) == [
        f"To the current model fraud takes {which} share than before, by about 1.2 % of the window or more."
    ]


CLASSES = ("praise", "delay", "refund", "fraud")


def _history(*macro_f1: tuple[float, float, float], **goals: dict[str, float | None]) -> History:
    """Versions of 100, 200, 300 ... labels with these macro-F1."""
    history = made_up_history(CLASSES, (0.6, 0.25, 0.11, 0.04), rounds=len(macro_f1), goals=goals)
    models = [
        replace(
            model,
            labels=100 * number,
            metrics={**model.metrics, "macro_f1": dict(zip(("value", "low", "high"), found, strict=True))},
        )
        for number, (model, found) in enumerate(zip(history.models, macro_f1, strict=True), 1)
    ]
    return replace(history, models=models)


def _told(history: History) -> str:
    return " ".join(headline(history))


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        ((0.7, 0.65, 0.75), "With 100 labels macro-F1 was 0.50 (0.45 to 0.55), surely lower."),
        ((0.3, 0.25, 0.35), "With 100 labels macro-F1 was 0.50 (0.45 to 0.55), surely higher."),
        ((0.6, 0.54, 0.66), "and the intervals overlap, so the difference may be chance."),
    ],
)
def test_quality_is_told_beside_that_with_half_the_labels(newest: tuple[float, float, float], told: str) -> None:
    assert told in _told(_history((0.5, 0.45, 0.55), newest))


def test_nothing_is_compared_with_hardly_fewer_labels() -> None:
    history = _history((0.5, 0.45, 0.55), (0.6, 0.5, 0.7))
    close = [replace(model, labels=100 + number) for number, model in enumerate(history.models)]

    assert "macro-F1 was" not in _told(replace(history, models=close))


@pytest.mark.parametrize(("low", "high", "wide"), [(0.3, 0.7, True), (0.45, 0.55, False)])
def test_a_wide_interval_is_said_to_tell_little(low: float, high: float, wide: bool) -> None:
    assert ("four times as many audit items would halve it" in _told(_history((0.5, low, high)))) == wide


def test_the_weakest_classes_are_named_and_those_with_too_few_audit_items_are_not() -> None:
    history = _history((0.5, 0.4, 0.6))
    rates = {"praise": 0.9, "delay": 0.2, "refund": 0.4, "fraud": 0.1}
    for name, f1 in rates.items():
        history.models[-1].metrics["per_class"][name]["f1"] = f1
    history.models[-1].metrics["too_few"] = ["fraud"]

    assert "Weakest by F1: delay (0.20)." in _told(history)


def test_the_rarest_class_is_that_of_the_pool_though_the_audit_sample_holds_more_of_it() -> None:
    history = _history((0.5, 0.4, 0.6))
    history.models[-1].metrics["per_class"]["fraud"]["support"] = 500
    history.models[-1].metrics["too_few"] = []

    assert "Of the class fraud, the rarest that can be measured, it finds" in _told(history)


def test_goals_are_counted_and_those_not_met_are_told_with_their_figures() -> None:
    history = _history((0.5, 0.4, 0.6), fraud={"recall": 0.9, "precision": 0.5}, delay={"recall": 0.1})
    reached = {"value": 0.62, "low": 0.5, "high": 0.7}
    history.status["goals"]["fraud"] |= {"met": False, "recall": reached, "precision": reached}
    history.status["goals"]["delay"] |= {"met": True}

    assert "1 of 2 goals met; not met: fraud (recall 0.62 of 0.90, precision 0.62 of 0.50)." in _told(history)


def test_a_goal_of_which_nothing_is_known_has_no_figures() -> None:
    goal: dict[str, Any] = {"wanted": {"recall": 0.9, "precision": None}, "met": None, "recall": {"value": 0.1}}

    assert (goal_state(goal), goal_figures(goal)) == ("not known yet", "recall ? of 0.90")
