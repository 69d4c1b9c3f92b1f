"""Training leans back towards the pool where a model crowded its labels, and hardly at all where none did."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Floats, Index, Pool
from tests.pools import make_pool
from workers.training import selection_bias
from workers.training.selection_bias import selection_weights, standing_for, standing_on_axes, taught_of


def weigh(pool: Pool, rows: Index, *, seed: int) -> Floats:
    return selection_weights(pool, rows, standing=standing_on_axes(pool, seed=seed))


def make(items: int = 3_000, *, dimension: int = 16, seed: int = 0) -> tuple[Pool, Index]:
    """A pool of three even regions, and the region of each item."""
    pool, truth = make_pool(
        items=items, classes=("a", "b", "c"), shares=(1 / 3, 1 / 3, 1 / 3), dimension=dimension, seed=seed
    )
    return pool, truth.argmax(axis=1)


def crowd(region: Index, *, crowded: int, thin: int) -> Index:
    """So many items of the first region, and so many of each other."""
    return np.concatenate([np.flatnonzero(region == code)[: thin if code else crowded] for code in range(3)])


@given(items=st.integers(1, 200), labels=st.integers(1, 200), region=st.booleans(), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_weights_are_1_on_average_and_within_their_limits(items: int, labels: int, region: bool, seed: int) -> None:
    pool, codes = make(items, seed=seed)
    order = np.argsort(codes, kind="stable") if region else np.random.default_rng(seed).permutation(items)
    weights = weigh(pool, order[:labels], seed=seed)
    assert weights.shape == (min(items, labels),)
    assert weights.dtype == np.float32
    assert weights.mean() == pytest.approx(1, abs=1e-4)
    assert weights.min() > 0
    assert weights.max() <= 100 * weights.min() * (1 + 1e-5)


@pytest.mark.parametrize("dimension", [16, 128])
@pytest.mark.parametrize("seed", range(3))
def test_items_drawn_at_random_count_nearly_the_same(dimension: int, seed: int) -> None:
    pool, _ = make(dimension=dimension)
    rows = np.random.default_rng(seed).permutation(3_000)[:300]
    weights = weigh(pool, rows, seed=0)
    assert weights.std() < 0.15
    assert 0.6 < weights.min() <= weights.max() < 1.6


def test_the_whole_pool_counts_the_same_everywhere() -> None:
    pool, _ = make(600)
    assert weigh(pool, np.arange(600), seed=0) == pytest.approx(np.ones(600), abs=0.02)


def test_where_labels_crowd_each_counts_less() -> None:
    pool, region = make()
    rows = crowd(region, crowded=400, thin=50)
    weights = weigh(pool, rows, seed=0)
    crowded, thin = weights[region[rows] == 0].mean(), weights[region[rows] > 0].mean()
    # Eight times as crowded: the square root of that, less what the penalty takes.
    assert 1.8 < thin / crowded < 8**0.5 * 1.3


def test_the_more_crowded_the_less_each_counts() -> None:
    pool, region = make()
    found = []
    for crowded in (100, 300, 900):
        rows = crowd(region, crowded=crowded, thin=100)
        weights = weigh(pool, rows, seed=0)
        found.append(float(weights[region[rows] == 0].mean() / weights[region[rows] > 0].mean()))
    assert found[0] > found[1] > found[2]
    assert found[0] == pytest.approx(1, abs=0.15)


def test_even_the_rarest_of_places_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = make(40_000)
    here = np.arange(40_000) < 400
    vectors = np.zeros((40_000, 16), dtype=np.float16)
    vectors[here, 0], vectors[~here, 1] = 1, 1
    pool = replace(pool, matrix=vectors)
    rows = np.arange(401)  # all of the crowded hundredth, and one of the rest
    weights = weigh(pool, rows, seed=0)
    assert weights[:400] == pytest.approx(weights[0])
    assert 60 < weights[400] / weights[0] < 100
    monkeypatch.setattr(selection_bias, "_LIMITS", (0.5, 2.0))
    narrow = weigh(pool, rows, seed=0)
    assert narrow[400] / narrow[0] == pytest.approx(4)


def test_weighted_the_labels_lie_nearer_to_the_middle_of_the_pool() -> None:
    pool, region = make()
    rows = crowd(region, crowded=400, thin=50)
    weights = weigh(pool, rows, seed=0)
    middle = pool.vectors(np.arange(3_000)).mean(axis=0)
    plain = np.linalg.norm(pool.vectors(rows).mean(axis=0) - middle)
    weighted = np.linalg.norm((weights[:, None] * pool.vectors(rows)).mean(axis=0) - middle)
    assert weighted < 0.75 * plain


def test_labels_are_of_no_account_and_the_seed_decides_the_rest() -> None:
    pool, region = make(6_000)
    rows = crowd(region, crowded=200, thin=50)
    weights = weigh(pool, rows, seed=3)
    other = replace(pool, targets=~pool.targets, labeled=~pool.labeled)
    assert np.array_equal(weights, weigh(other, rows, seed=3))
    assert not np.array_equal(weights, weigh(pool, rows, seed=4))


def test_what_stands_for_the_pool_is_kept_and_nobody_can_change_it() -> None:
    pool, _ = make()
    kept = standing_on_axes(pool, seed=0)
    assert standing_on_axes(pool, seed=0) is kept
    for array in (kept.coordinates, kept.axes, kept.spread):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert not np.array_equal(standing_on_axes(pool, seed=1).coordinates, kept.coordinates)


@given(st.integers(1, 20_000), st.integers(0, 300), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_who_stands_for_a_pool_stays_while_items_come_in_and_new_ones_take_their_part(
    count: int, more: int, seed: int
) -> None:
    before, after = (set(standing_for(size, seed=seed).tolist()) for size in (count, count + more))
    assert len(after) == min(count + more, 4_000)
    assert {one for one in after if one < count} <= before


def test_the_newest_items_stand_for_a_pool_too() -> None:
    newest = [(standing_for(10_990, seed=seed) >= 10_000).mean() for seed in range(20)]
    assert np.mean(newest) == pytest.approx(990 / 10_990, rel=0.1)


@given(st.integers(2, 30_000))
@settings(max_examples=50, deadline=None)
def test_a_pupil_is_taught_with_others_than_its_decisions_are_found_on(count: int) -> None:
    standing, taught = standing_for(count, seed=0), taught_of(count, seed=0)
    assert len(np.unique(taught)) == len(taught) == min(4_000, count - count // 2)
    assert len(np.setdiff1d(standing, taught)) >= min(4_000, count // 2)
