import re
from dataclasses import replace
from typing import Any

from tests.workers.reporting.made_up import made_up_history
from workers.reporting.history import History
from workers.reporting.html import page
from workers.reporting.quality import confused, costs, frequencies, probabilities, quality_now, recalls_and_curves

CLASSES = ("praise", "delay", "refund", "fraud")
GOALS: dict[str, dict[str, float | None]] = {
    "fraud": {"recall": 0.9, "precision": 0.5},
    "refund": {"recall": 0.1, "precision": None},
}


def _history(task: str = "single") -> History:
    return made_up_history(CLASSES, (0.6, 0.25, 0.11, 0.04), goals=GOALS, task=task, rounds=4)


def _text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").split())


def test_the_figures_that_count_stand_out_and_accuracy_does_not() -> None:
    history = _history()
    found = history.models[-1].metrics
    html = quality_now(history)

    assert f"<dt>macro-F1</dt><dd>{found['macro_f1']['value']:.2f}</dd>" in html
    assert f"<dt>macro PR-AUC</dt><dd>{found['macro_pr_auc']['value']:.2f}</dd>" in html
    assert "<dt>accuracy" not in html
    assert f"Beside these: accuracy {found['accuracy']:.2f}, mean ROC-AUC 0.97" in html
    largest = found["per_class"]["praise"]["prevalence"]
    assert f"deciding always for the largest class would reach an accuracy of {largest:.2f}" in html


def test_where_no_class_is_most_of_the_pool_the_rarer_half_tells_what_accuracy_is_worth() -> None:
    history = made_up_history(("a", "b", "c", "d"), (0.4, 0.4, 0.15, 0.05), rounds=2)
    shares = sorted(found["prevalence"] for found in history.models[-1].metrics["per_class"].values())

    assert f"with the rarer half of the classes all wrong, accuracy could still be {1 - sum(shares[:2]):.2f}" in (
        quality_now(history)
    )


def test_the_rarest_class_comes_first_with_its_intervals_and_its_goal() -> None:
    history = _history()
    fraud = history.models[-1].metrics["per_class"]["fraud"]
    html = quality_now(history)

    assert re.findall(r"<tr><td>(\w+)", html) == ["fraud", "refund", "delay", "praise"]
    row = _text(re.findall(r"<tr><td>fraud.*?</tr>", html)[0])
    for rate in ("recall", "precision", "pr_auc"):
        assert f"{fraud[rate]:.2f} {fraud[f'{rate}_low']:.2f} to {fraud[f'{rate}_high']:.2f}" in row
    assert "not met" in row
    assert f"recall {fraud['recall']:.2f} of 0.90, precision {fraud['precision']:.2f} of 0.50" in row
    assert "nearly all found" in row


def test_a_class_with_too_few_audit_items_has_no_rates() -> None:
    history = made_up_history(("a", "b"), (0.995, 0.005), items=200, rounds=2)
    row = _text(re.findall(r"<tr><td>b.*?</tr>", quality_now(history))[0])

    assert "too few" in row
    assert "." not in row.partition("too few")[2]


def test_every_part_of_the_newest_metrics_is_shown() -> None:
    history = _history()

    for part in (recalls_and_curves, probabilities, confused, costs, frequencies):
        assert "<svg" in part(history)
    assert "before calibration 0.142" in probabilities(history)
    assert "of the most probable class" in probabilities(history)
    assert "of every class" in probabilities(_history("multi"))


def test_parts_that_a_version_lacks_are_left_out() -> None:
    history = _history()
    old: dict[str, Any] = {"n": 40, "macro_f1": None, "per_class": {}, "too_few": list(CLASSES)}
    bare = replace(history, models=[replace(history.models[-1], metrics=old)])

    for part in (recalls_and_curves, probabilities, confused, costs, frequencies):
        assert part(bare) == ""
    assert "No model has been measured yet." in quality_now(bare)


def test_null_for_parts_that_can_not_be_had_is_the_same_as_none() -> None:
    history = _history()
    metrics = {**history.models[-1].metrics, **dict.fromkeys(("confusion", "reliability", "cost", "cost_curves"))}
    html = page(replace(history, models=[replace(history.models[-1], metrics=metrics)]))

    assert "Confusions" not in html
    assert "mean cost" not in html


def test_a_version_that_knew_the_classes_by_other_names_is_shown_as_it_was() -> None:
    """A project may rename its classes; metrics keep the names that they had."""
    history = _history()
    labels = history.status["labels"]["by_class"]
    labels["scam"] = labels.pop("fraud")
    history.status.update(classes=["praise", "delay", "refund", "scam"], goals={}, done=[])
    html = page(history)

    assert re.search(r"<tr><td>scam</td><td[^>]*>\d+</td>(<td[^>]*></td>)+</tr>", html)
    assert "all others" in confused(history)


def test_a_hundred_and_fifty_classes_stay_readable_and_light() -> None:
    names = [f"intent {number}" for number in range(150)]
    weights = [number + 1 for number in range(150)]
    history = made_up_history(
        names,
        [weight / sum(weights) for weight in weights],
        items=1_000,
        rounds=3,
        sources=[f"source {number}" for number in range(9)],
    )
    html = page(history)

    assert len(html) < 1_500_000
    assert all(f"<td>{name}</td>" in html for name in names[:-1])
    assert "The 15 confusions with the largest share of the pool." in html
    assert "all others" in html
    assert "The 5 largest of 9 sources." in html
