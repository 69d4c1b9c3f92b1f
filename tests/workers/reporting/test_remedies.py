"""Remedies in words: what holds, for whom with which figures, and what to do where something is done already."""

from workers.reporting.remedies import InForce, Remedy, remedies
from workers.training.imbalance import ClassFigures, Evenness, Imbalance, SourceFigures
from workers.training.metrics import Interval
from workers.training.remedies import Condition, Finding

UNKNOWN = Evenness(None, None)
WHOLE = Imbalance(1_000, 100, 200, 1.0, 0.9, (), (), UNKNOWN, UNKNOWN)


def one_class(name: str, labels: int, prevalence: Interval | None = None, weight: float | None = None) -> ClassFigures:
    return ClassFigures(name, labels, 0.004, prevalence, None, weight, 0.0)


def told(condition: Condition, *about: ClassFigures | SourceFigures, **in_force: object) -> list[str]:
    return [one.told for one in _remedies(condition, *about, **in_force)]


def _remedies(condition: Condition, *about: ClassFigures | SourceFigures, **in_force: object) -> list[Remedy]:
    return remedies([Finding(condition, one) for one in about], WHOLE, InForce(**in_force))  # type: ignore[arg-type]


def test_a_class_without_a_label_needs_a_rule_that_hits() -> None:
    a, b, c, d = (one_class(name, 0) for name in "abcd")

    assert told(Condition.NO_LABEL, a, b, c, d, seeded={"b": False, "c": True}) == [
        "No label and no seeding rule: a (share of the pool unknown) and d (share of the pool unknown). Give each a "
        "rule (keywords, a pattern or a description; [[rules]] in the project file), or submit a few items that are "
        "known.",
        "No label, and seeding rules that hit no item: b (share of the pool unknown). Widen the rules.",
        "No label yet: c (share of the pool unknown). The channel rule brings what their seeding rules hit.",
    ]


def test_a_class_that_the_audit_never_saw_has_an_upper_bound() -> None:
    (only,) = told(Condition.NO_LABEL, one_class("a", 0, Interval(0.0, 0.0, 0.021)))

    assert "a (2.1 % of the pool at most)" in only


def test_few_labels_are_sought_by_what_is_there() -> None:
    few = told(
        Condition.FEW_LABELS, one_class("a", 3), one_class("b", 4), seeded={"b": True}, targets={"a": 5, "b": 50}
    )

    assert few == [
        "Under 20 labels, or under a lower target: a (3 of 5). Coverage and random draws seek them; seeding rules, of "
        "which they have none, find them sooner.",
        "Under 20 labels, or under a lower target: b (4). Seeding rules, coverage and random draws seek them.",
    ]


def test_a_rare_class_is_told_with_its_interval_and_weight() -> None:
    rare = one_class("a", 30, Interval(0.004, 0.001, 0.009), weight=12.34)

    assert told(Condition.RARE, rare) == [
        "Under 1 % of the pool: a (0.4 %, 95 % interval 0.1 % to 0.9 %; class weight 12.3). Give them targets, so that "
        "the channels likely and anchor seek them until these are met. Training weighs errors on them by their class "
        "weights."
    ]
    assert "until their targets are met" in told(Condition.RARE, rare, targets={"a": 31})[0]
    assert "Their targets are met; raise these" in told(Condition.RARE, rare, targets={"a": 30})[0]


def test_without_an_estimate_rare_is_a_share_of_the_labels() -> None:
    assert told(Condition.RARE, one_class("a", 30))[0].startswith("Under 1 % of the labels: a (0.4 %). ")


def test_what_is_far_beyond_need_gets_a_cap_or_a_lower_one() -> None:
    assert told(Condition.BEYOND_NEED, one_class("a", 1_000), one_class("b", 900), capped={"b"}) == [
        "Far beyond need, over five times the median of the other classes: a (1,000 labels). Cap them (caps.classes), "
        "to leave room for other classes.",
        "Far beyond need, over five times the median of the other classes: b (900 labels). Lower the caps that they "
        "have (caps.classes), to leave room for other classes.",
    ]
    assert told(Condition.BEYOND_NEED, one_class("a", 301), targets={"a": 150})[0].startswith(
        "Far beyond need, over twice the target: a (301 labels, target 150). Cap them"
    )


def test_a_neglected_source_gets_a_quota_or_a_higher_one() -> None:
    chat = SourceFigures("chat", 300, 0.3, 10, 0.1, {})
    opening = "Under half of the labels that their share of the items would bring: chat "

    assert told(Condition.NEGLECTED, chat) == [
        f"{opening}(30 % of the items, 10 % of the labels). Give them quotas of about their share (quotas.sources)."
    ]
    assert told(Condition.NEGLECTED, chat, quotas={"chat": 0.2}) == [
        f"{opening}(30 % of the items, 10 % of the labels, quota 20 %). Raise their quotas to their share at least."
    ]
    assert told(Condition.NEGLECTED, chat, quotas={"chat": 0.3}) == [
        f"{opening}(30 % of the items, 10 % of the labels, quota 30 %). Their quotas even that out with the next "
        "batches."
    ]
    assert told(Condition.NEGLECTED, chat, quotas={"chat": 0.2}, capped_sources=frozenset(["chat"])) == [
        f"{opening}(30 % of the items, 10 % of the labels). Raise their caps (caps.sources), unless these are meant to "
        "keep them from labels."
    ]


def test_the_project_as_a_whole_has_no_name() -> None:
    (only,) = remedies([Finding(Condition.NO_ESTIMATE, None)], WHOLE, InForce())

    assert only.names == []
    assert only.told.startswith("No audit item is labeled yet, so nobody knows how rare the classes are in the pool. ")


def test_many_classes_share_one_sentence_that_names_the_first_of_them() -> None:
    (only,) = _remedies(Condition.FEW_LABELS, *(one_class(f"c{number}", 2) for number in range(100)))

    assert len(only.names) == 100
    assert "c7 (2) and 92 more. " in only.told
