import pytest

from tests.workers.reporting.example import RARE, metrics
from tests.workers.reporting.made_up import made_up_metrics
from workers.reporting.measured import (
    DETAILS,
    Measure,
    measure,
    over_classes,
    rarest_first,
    read_quality,
    without_details,
)

CLASSES = ("praise", "delay", RARE)


def test_a_version_of_old_is_read_and_what_it_lacks_is_none() -> None:
    quality = read_quality(metrics(0.5))
    rare = quality.classes[RARE]

    assert (quality.items, quality.macro_f1) == (40, Measure(0.5, 0.4, 0.6))
    assert (quality.macro_pr_auc, quality.cost, quality.accuracy, quality.roc_auc) == (None, None, None, None)
    assert (rare.recall, rare.precision, rare.f1) == (Measure(0.75, 0.5, 0.9), Measure(0.5), Measure(0.6))
    assert (rare.pr_auc, rare.prevalence, rare.roc_auc) == (None, None, None)
    assert [found.name for found in quality.sure] == ["praise", RARE]


def test_a_version_without_labeled_audit_items_is_read() -> None:
    quality = read_quality({"n": 0, "macro_f1": None, "per_class": {}, "too_few": list(CLASSES)})

    assert (quality.macro_f1, quality.classes, quality.sure) == (None, {}, [])


def test_a_measure_without_a_value_is_none() -> None:
    assert measure(None) is None
    assert measure({"value": None, "low": None, "high": None}) is None
    assert Measure(0.5).interval is None


def test_the_rarest_class_is_that_of_the_pool_and_not_of_the_labels() -> None:
    labels = {"praise": 10, "delay": 50, RARE: 90}
    quality = read_quality(made_up_metrics(CLASSES, [0.7, 0.25, 0.05], items=200))

    assert rarest_first(CLASSES, labels, quality) == [RARE, "delay", "praise"]
    assert rarest_first(CLASSES, labels, None) == ["praise", "delay", RARE]


def test_a_class_without_an_audit_item_goes_by_its_labels_up_to_what_the_sample_allows_for() -> None:
    labels = {"praise": 60, "delay": 30, RARE: 10}
    found = made_up_metrics(CLASSES, [0.7, 0.25, 0.05], items=200)
    found["per_class"]["delay"] |= {"support": 0, "prevalence": 0.0, "prevalence_low": 0.0, "prevalence_high": 0.9}

    assert rarest_first(CLASSES, labels, read_quality(found)) == [RARE, "delay", "praise"]
    found["per_class"]["delay"] |= {"prevalence_high": 0.001}
    assert rarest_first(CLASSES, labels, read_quality(found)) == ["delay", RARE, "praise"]


def test_details_are_what_only_plots_need() -> None:
    found = made_up_metrics(CLASSES, [0.7, 0.25, 0.05], items=200)
    assert set(DETAILS) <= set(found)

    assert read_quality(without_details(found)) == read_quality(found)
    assert not set(DETAILS) & set(without_details(found))


@pytest.mark.parametrize(
    ("supports", "told"),
    [([5, 1, 9], ""), ([2, 0, 0], ", over the 1 of 3 classes that these items hold")],
)
def test_a_mean_over_some_of_the_classes_says_so(supports: list[int], told: str) -> None:
    metrics = {"per_class": {f"class {place}": {"support": support} for place, support in enumerate(supports)}}
    assert over_classes(metrics) == told
