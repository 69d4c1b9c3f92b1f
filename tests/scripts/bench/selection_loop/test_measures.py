import pytest

from scripts.bench.selection_loop.measures import MEASURES, Value, area, labels_to_height, labels_to_share, share_found
from tests.scripts.bench.selection_loop.records import make_record


def test_the_area_is_the_mean_height_between_the_first_and_the_last_label() -> None:
    assert area([10, 20, 30], [0.4, 0.6, 0.8], until=30) == pytest.approx(0.6)


def test_unequal_steps_weigh_as_many_labels_as_they_hold() -> None:
    assert area([0, 10, 100], [0.0, 1.0, 1.0], until=100) == pytest.approx(0.95)


def test_a_curve_that_ends_early_stays_as_high_as_it_was() -> None:
    assert area([10, 20], [0.0, 1.0], until=40) == pytest.approx((0.5 * 10 + 1.0 * 20) / 30)


def test_a_curve_is_cut_at_the_budget() -> None:
    assert area([10, 20, 40], [0.0, 1.0, 1.0], until=15) == pytest.approx(0.25)


def test_a_curve_of_one_point_has_its_height() -> None:
    assert area([10], [0.7], until=10) == 0.7


def test_a_curve_with_a_missing_value_has_no_area() -> None:
    assert area([10, 20], [None, None], until=20) is None


@pytest.mark.parametrize(
    ("height", "expected"),
    [(0.25, Value(10.0)), (0.375, Value(15.0)), (0.75, Value(30.0)), (0.9, Value(30.0, at_least=True))],
)
def test_labels_to_a_height_lie_on_the_line_between_two_rounds(height: float, expected: Value) -> None:
    assert labels_to_height([10, 20, 30], [0.25, 0.5, 0.75], height, until=30) == expected


def test_the_first_time_that_a_height_is_reached_counts() -> None:
    assert labels_to_height([10, 20, 30], [0.2, 0.6, 0.4], 0.6, until=30) == Value(20.0)


@pytest.mark.parametrize(("labels", "share"), [(11, 0.0), (12, 0.25), (24, 0.25), (25, 0.5), (30, 0.5)])
def test_an_item_is_found_with_its_own_label_not_with_its_batch(labels: int, share: float) -> None:
    assert share_found(make_record(), labels) == Value(share)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.25, Value(12.0)), (0.5, Value(25.0)), (0.8, Value(30.0, at_least=True))]
)
def test_labels_to_a_share_are_those_of_the_item_that_completes_it(share: float, expected: Value) -> None:
    assert labels_to_share(make_record(), share) == expected


def test_four_of_five_items_are_80_percent_in_spite_of_rounding() -> None:
    record = make_record(rare_items=5, rare_found_at=(1, 2, 3, 4))
    assert MEASURES["labels_to_80"].of(record, None) == Value(4.0)


def test_half_the_budget_counts_from_the_first_label() -> None:
    assert MEASURES["found_half"].of(make_record(), None) == Value(0.25)


def test_a_pool_smaller_than_the_budget_is_the_budget() -> None:
    record = make_record(eligible=20, labels=(10, 20), macro_f1=(0.25, 0.75), rare_items=1, rare_found_at=())
    assert MEASURES["labels_to_90"].of(record, None) == Value(20.0, at_least=True)
    assert MEASURES["macro_f1_area"].of(record, None) == Value(0.5)


def test_without_rare_items_nothing_is_said_of_them() -> None:
    record = make_record(rare_items=0, rare_classes=(), rare_found_at=(), rare_f1=(None,) * 3, rare_pr_auc=(None,) * 3)
    said = {name for name, measure in MEASURES.items() if measure.of(record, 0.8) is not None}
    assert said == {"macro_f1_area", "labels_to_full"}


def test_labels_to_full_ask_for_95_percent_of_the_score_with_all_labels() -> None:
    measure = MEASURES["labels_to_full"]
    found = measure.of(make_record(), 0.8)
    assert found is not None
    assert found.value == pytest.approx(28.0)  # 0.76 on the way from 0.6 to 0.8
    assert measure.of(make_record(), None) is None
