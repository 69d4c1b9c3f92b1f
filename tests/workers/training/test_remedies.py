"""Each condition holds where its table says, and not one label beyond."""

from dataclasses import replace

import numpy as np
import pytest

from workers.training.imbalance import AuditTally, ClassFigures, Imbalance, SourceFigures, Tally, measure
from workers.training.metrics import Interval
from workers.training.remedies import findings, pool_share


def make_imbalance(
    counts: dict[str, int],
    *,
    sources: dict[str, tuple[int, int]] | None = None,
    audit_items: int = 100,
    prevalences: dict[str, float] | None = None,
) -> Imbalance:
    """Classes with so many labels, sources with (items, labels); prevalences are those of the labels if not given."""
    labels = sum(counts.values())
    places = sources or {"mail": (10_000, labels)}
    share = labels and {name: count / labels for name, count in counts.items()}
    tally = Tally(
        classes=tuple(counts),
        sources=tuple(places),
        items=np.array([items for items, _ in places.values()]),
        labeled=np.array([labeled for _, labeled in places.values()]),
        counts=np.array([list(counts.values()), *[[0] * len(counts)] * (len(places) - 1)]),
        exclusive=True,
    )
    measured = measure(tally, AuditTally(np.array([1]), np.array([0]), np.zeros((1, len(counts)), np.int64)), beta=0.9)
    estimated = {**(share or {}), **(prevalences or {})}
    return replace(
        measured,
        audit_items=audit_items,
        classes=tuple(
            replace(one, prevalence=Interval(estimated[one.name], 0.0, 1.0) if audit_items else None)
            for one in measured.classes
        ),
    )


def found(imbalance: Imbalance, **targets: int) -> list[tuple[str, str | None]]:
    return [
        (finding.condition.value, finding.about.name if finding.about else None)
        for finding in findings(imbalance, targets)
    ]


def test_even_classes_and_sources_call_for_nothing() -> None:
    assert found(make_imbalance({"a": 60, "b": 50}, sources={"mail": (500, 60), "chat": (500, 50)})) == []


def test_a_class_without_a_label_is_that_and_nothing_else() -> None:
    assert found(make_imbalance({"a": 60, "b": 50, "c": 0})) == [("no_label", "c")]


def test_nineteen_labels_are_few_and_twenty_are_not() -> None:
    assert found(make_imbalance({"a": 19, "b": 20})) == [("few_labels", "a")]


def test_a_target_below_twenty_is_enough() -> None:
    assert found(make_imbalance({"a": 5, "b": 20}), a=5) == []
    assert found(make_imbalance({"a": 4, "b": 20}), a=5) == [("few_labels", "a")]
    assert found(make_imbalance({"a": 19, "b": 20}), a=500) == [("few_labels", "a")]


@pytest.mark.parametrize(("share", "rare"), [(0.0099, True), (0.01, False)])
def test_rare_is_under_one_percent_of_the_pool_whatever_the_labels_say(share: float, rare: bool) -> None:
    imbalance = make_imbalance({"a": 50, "b": 50}, prevalences={"a": share})

    assert found(imbalance) == ([("rare", "a")] if rare else [])


def test_with_too_few_audit_items_the_share_of_the_labels_decides() -> None:
    few = make_imbalance({"a": 50, "b": 50}, prevalences={"a": 0.0}, audit_items=99)

    assert found(few) == []
    assert pool_share(few.classes[0], few) == (0.5, False)
    assert ("rare", "a") in found(make_imbalance({"a": 1, "b": 200}, audit_items=99))


@pytest.mark.parametrize(
    ("counts", "beyond"),
    [({"a": 301, "b": 60}, True), ({"a": 300, "b": 60}, False), ({"a": 99, "b": 1}, False), ({"a": 100, "b": 1}, True)],
)
def test_beyond_need_is_five_times_the_median_of_the_others_and_a_hundred_labels(
    counts: dict[str, int], beyond: bool
) -> None:
    assert (("beyond_need", "a") in found(make_imbalance(counts))) is beyond


def test_a_target_says_what_a_class_needs() -> None:
    imbalance = make_imbalance({"a": 301, "b": 60})

    assert found(imbalance, a=151) == []
    assert found(imbalance, a=150) == [("beyond_need", "a")]


def test_a_class_alone_is_never_beyond_need() -> None:
    assert found(make_imbalance({"a": 500})) == []


@pytest.mark.parametrize(
    ("chat", "neglected"), [((100, 9), True), ((100, 10), False), ((49, 0), False), ((50, 0), True)]
)
def test_a_source_is_neglected_under_half_of_what_its_share_would_bring(chat: tuple[int, int], neglected: bool) -> None:
    imbalance = make_imbalance({"a": 100, "b": 100}, sources={"mail": (1_000 - chat[0], 200 - chat[1]), "chat": chat})

    assert (("neglected", "chat") in found(imbalance)) is neglected


def test_a_project_without_audit_answers_is_told_first() -> None:
    assert found(make_imbalance({"a": 60, "b": 0}, audit_items=0)) == [("no_estimate", None), ("no_label", "b")]


def test_findings_stand_by_condition() -> None:
    imbalance = make_imbalance({"a": 5, "b": 0, "c": 0, "d": 7, "e": 1_000}, prevalences={"a": 0.001})

    assert found(imbalance) == [
        ("no_label", "b"),
        ("no_label", "c"),
        ("few_labels", "a"),
        ("few_labels", "d"),
        ("rare", "a"),
        ("rare", "d"),
        ("beyond_need", "e"),
    ]
    assert all(isinstance(one.about, ClassFigures | SourceFigures) for one in findings(imbalance, {}))
