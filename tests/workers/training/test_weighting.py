"""Class weights: inverse frequency, the effective number of samples, and none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.training.weighting import Weighting, class_weights

SIZES = st.lists(st.integers(0, 20_000), min_size=1, max_size=30).filter(any)


def test_18_400_and_1_600_items_weigh_0_54_and_6_25() -> None:
    weights = class_weights(np.array([18_400, 1_600]))
    assert weights == pytest.approx([0.5435, 6.25], abs=1e-4)


def test_a_class_without_an_item_has_no_weight_and_does_not_count() -> None:
    assert class_weights(np.array([10, 0, 30])) == pytest.approx([2.0, 0.0, 2 / 3])
    assert class_weights(np.array([10, 0, 30]), "none").tolist() == [1.0, 0.0, 1.0]
    assert not class_weights(np.array([0, 0])).any()


def test_the_effective_number_of_samples_is_that_of_the_paper() -> None:
    inverse = 0.001 / (1 - 0.999 ** np.array([50, 3_500]))
    expected = inverse * 3_550 / (inverse * [50, 3_500]).sum()
    assert class_weights(np.array([50, 3_500]), "effective") == pytest.approx(expected)


def test_beyond_some_thousand_items_one_more_changes_nothing_and_below_a_hundred_all_count() -> None:
    weights = class_weights(np.array([10, 20, 20_000, 40_000]), "effective")
    assert weights[2] == pytest.approx(weights[3])
    assert weights[0] == pytest.approx(2 * weights[1], rel=0.01)


@given(sizes=SIZES, weighting=st.sampled_from(["balanced", "effective", "none"]))
def test_weights_are_1_on_average_over_the_items_and_no_larger_class_weighs_more(
    sizes: list[int], weighting: Weighting
) -> None:
    counts = np.array(sizes)
    weights = class_weights(counts, weighting)
    assert (weights * counts).sum() == pytest.approx(counts.sum())
    assert ((weights > 0) == (counts > 0)).all()
    falling = weights[np.argsort(counts, kind="stable")][(counts == 0).sum() :]
    assert (np.diff(falling) <= 1e-9).all()


@given(sizes=SIZES)
def test_effective_weights_lie_between_none_and_balanced(sizes: list[int]) -> None:
    counts = np.array([size for size in sizes if size])
    flat, between, steep = (
        class_weights(counts, weighting).max() / class_weights(counts, weighting).min()
        for weighting in ("none", "effective", "balanced")
    )
    assert flat - 1e-9 <= between <= steep + 1e-9
