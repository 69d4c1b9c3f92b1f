"""How places are divided among sources, and what the audit sample says of classes in each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.selection.allocation import power_allocation, source_shares, stratum_beliefs
from workers.training.imbalance import AuditTally

NOTHING = np.empty((3, 0))
ROOM = np.array([10_000, 10_000, 10_000])


def allot(sizes: list[int], shares: list[float] | None = None, *, places: int = 600) -> list[int]:
    known = np.empty((len(sizes), 0)) if shares is None else np.array(shares)[:, None]
    found: list[int] = power_allocation(np.array(sizes), known, places=places, room=np.array(sizes)).tolist()
    return found


def test_while_nothing_is_known_places_follow_the_square_roots_of_the_sizes() -> None:
    assert allot([90_000, 40_000, 10_000]) == [300, 200, 100]


def test_a_source_where_the_class_is_a_quarter_as_frequent_gets_about_twice_as_many() -> None:
    scarce, frequent = allot([10_000, 10_000], [0.005, 0.02])

    assert scarce / frequent == pytest.approx(2, abs=0.03)


def test_the_allocation_has_the_least_sum_of_weighted_squared_errors() -> None:
    sizes, shares, places = np.array([6_000, 3_000, 1_000]), np.array([0.01, 0.03, 0.05]), 500

    def error(counts: list[int]) -> float:
        return float((sizes * (1 - shares) / shares / np.array(counts)).sum())

    best = allot(sizes.tolist(), shares.tolist(), places=places)
    for give, take in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)):
        other = list(best)
        other[give] -= 10
        other[take] += 10
        assert error(best) < error(other)


def test_what_a_small_source_has_no_room_for_goes_to_the_others() -> None:
    found = power_allocation(np.array([900, 400, 100]), NOTHING, places=600, room=np.array([900, 400, 20]))

    assert found.tolist() == [348, 232, 20]


def test_an_empty_source_gets_nothing_and_a_short_pool_is_taken_as_a_whole() -> None:
    assert allot([0, 50, 30], places=600) == [0, 50, 30]
    assert power_allocation(np.array([0, 0, 0]), NOTHING, places=5, room=ROOM).tolist() == [0, 0, 0]


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=8),
    st.integers(0, 5_000),
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_as_many_places_are_given_as_there_is_room_for_and_no_more(
    sizes: list[int], places: int, shares: list[float]
) -> None:
    found = power_allocation(
        np.array(sizes), np.array(shares[: len(sizes)])[:, None], places=places, room=np.array(sizes)
    )

    assert found.sum() == min(places, sum(sizes))
    assert (found <= sizes).all()
    assert (found >= 0).all()


def tally(sizes: list[int], answered: list[int], hits: list[int]) -> AuditTally:
    """Strata in the order of `audit.stratify`: of each source what no rule hits, then what one hits."""
    positives = np.array(hits)[:, None]
    return AuditTally(np.array(sizes), np.array(answered), positives)


def test_a_stratum_with_many_audit_items_speaks_for_itself_and_one_with_few_borrows_from_its_like() -> None:
    a, b = stratum_beliefs(tally([5_000, 100, 5_000, 100], [1_000, 10, 2, 10], [20, 9, 0, 9]), 0)
    mean = a / (a + b)

    assert mean[0] == pytest.approx(0.02, rel=0.06)
    assert mean[2] == pytest.approx(0.02, rel=0.1)
    assert mean[1] == pytest.approx(mean[3])
    assert mean[1] > 0.8


def test_beliefs_are_proper_when_nothing_or_everything_is_of_the_class() -> None:
    for hits in ([0, 0], [30, 10]):
        a, b = stratum_beliefs(tally([500, 100], [30, 10], hits), 0)
        assert (a > 0).all()
        assert (b > 0).all()


def test_shares_of_a_source_weigh_its_strata_by_size() -> None:
    found = source_shares(tally([900, 100, 500, 500], [400, 400, 400, 400], [4, 200, 4, 200]), np.array([0]))

    assert found[:, 0] == pytest.approx([0.9 * 0.01 + 0.1 * 0.5, 0.5 * 0.01 + 0.5 * 0.5], rel=0.05)
