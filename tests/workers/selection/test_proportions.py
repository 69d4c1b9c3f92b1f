import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from workers.selection.proportions import wilson

counts = st.integers(0, 5_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))


@given(counts)
def test_the_interval_is_wilsons_as_scipy_has_it(counted: tuple[int, int]) -> None:
    hits, count = counted
    if count:
        expected = binomtest(hits, count).proportion_ci(method="wilson")
        assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-6)


@given(counts)
def test_the_interval_holds_the_share_that_was_seen(counted: tuple[int, int]) -> None:
    hits, count = counted
    low, high = wilson(hits, count)
    assert 0 <= low <= high <= 1
    if count:
        assert low <= hits / count <= high
    assert (low == 0) == (hits == 0)
    assert (high == 1) == (hits == count)


def test_nothing_is_known_without_a_look() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
