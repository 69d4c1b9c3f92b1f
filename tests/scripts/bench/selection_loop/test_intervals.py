import numpy as np
import pytest

from scripts.bench.selection_loop.intervals import paired_difference


def test_equal_differences_leave_no_doubt() -> None:
    found = paired_difference([[0.5, 0.5, 0.5]])
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    assert not found.holds_zero


def test_a_difference_that_goes_both_ways_is_no_difference() -> None:
    found = paired_difference([[-0.3, 0.2, 0.4, -0.2]])
    assert found is not None
    assert found.holds_zero


def test_each_set_weighs_the_same_however_many_seeds_it_has() -> None:
    found = paired_difference([[1.0] * 10, [0.0]])
    assert found is not None
    assert found.mean == 0.5


def test_sets_without_a_pair_are_left_out() -> None:
    found = paired_difference([[], [0.25]])
    assert found is not None
    assert found.mean == 0.25
    assert paired_difference([[], []]) is None


def test_the_interval_is_as_wide_as_the_theory_says() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.2, size=400)
    found = paired_difference([differences.tolist()])
    assert found is not None
    half_width = 1.96 * differences.std() / 20
    assert found.low == pytest.approx(differences.mean() - half_width, abs=0.002)
    assert found.high == pytest.approx(differences.mean() + half_width, abs=0.002)
