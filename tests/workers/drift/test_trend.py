import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.pool import Index, Mask
from workers.drift.detectors import Counts, tabulate
from workers.drift.trend import moved, trend_p

_SCORES = ((np.arange(64) + 0.5) / 64) ** 2


def test_p_is_that_of_permutations_where_scores_are_skewed() -> None:
    rng = np.random.default_rng(0)
    strata, levels = rng.integers(0, 2, 600), _skewed(600, rng)
    window = rng.permutation(600) < 100
    window[np.flatnonzero(~window & (levels > 30))[:6]] = True
    found = trend_p(_counts(strata, levels, window), _SCORES)

    sums = np.zeros(20_000)
    for stratum in (0, 1):
        of_stratum, drawn = _SCORES[levels[strata == stratum]], int(window[strata == stratum].sum())
        sums += rng.permuted(np.tile(of_stratum, (20_000, 1)), axis=1)[:, :drawn].sum(axis=1)
    beyond = (sums >= _SCORES[levels[window]].sum() - 1e-12).mean()

    assert 0.001 < beyond < 0.1
    assert found == pytest.approx(2 * beyond, rel=0.15)


def test_p_is_small_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(1)
    levels = _skewed(600, rng)
    p = [trend_p(_counts(np.zeros(600, int), levels, rng.permutation(600) < 100), _SCORES) for _ in range(2_000)]

    for level in (0.5, 0.1, 0.01):
        assert (np.array(p) < level).mean() == pytest.approx(level, abs=3.5 * np.sqrt(level / 2_000))


def test_a_change_of_how_much_each_stratum_holds_is_no_change_of_scores() -> None:
    strata = np.repeat([0, 1], [900, 300])
    levels = np.where(strata == 0, np.arange(1_200) % 5, 20 + np.arange(1_200) % 5)
    window = np.arange(1_200) % 4 == 0
    window[:450] = False
    counts = _counts(strata, levels, window)

    assert trend_p(counts, _SCORES) > 0.5
    assert abs(moved(counts, _SCORES)) < 1e-3


def test_scores_that_are_all_alike_and_empty_sides_tell_nothing() -> None:
    alike = _counts(np.zeros(50, int), np.full(50, 7), np.arange(50) < 10)
    empty = _counts(np.zeros(50, int), np.arange(50), np.zeros(50, bool))

    assert trend_p(alike, _SCORES) == 1.0
    assert trend_p(empty, _SCORES) == 1.0


def test_the_highest_scores_of_all_are_as_unlikely_as_one_way_among_all() -> None:
    levels = np.repeat([0, 40], [40, 4])

    p = trend_p(_counts(np.zeros(44, int), levels, np.arange(44) >= 40), _SCORES)

    assert 0 < p < 1e-3


@given(seed=st.integers(0, 10_000), strata=st.integers(1, 4), drawn=st.integers(1, 60))
def test_p_is_a_chance(seed: int, strata: int, drawn: int) -> None:
    rng = np.random.default_rng(seed)
    counts = _counts(rng.integers(0, strata, 80), rng.integers(0, 64, 80), rng.permutation(80) < drawn)

    assert 0.0 <= trend_p(counts, _SCORES) <= 1.0


def _skewed(count: int, rng: np.random.Generator) -> Index:
    levels: Index = (np.sqrt(rng.beta(0.15, 4, count)) * 64).astype(np.int64)
    return levels


def _counts(strata: NDArray[np.int_], levels: NDArray[np.int_], window: Mask) -> Counts:
    shape = int(strata.max()) + 1, 64
    before, after = (tabulate(strata[side], levels[side], shape=shape) for side in (~window, window))
    return Counts(before[0], after[0], before[1], after[1])
