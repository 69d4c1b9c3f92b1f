"""Clumps are found where items of a window lie together, and chance alone makes none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from shared.pool import Floats, Index
from workers.drift.clumps import Clumps, find_clumps
from workers.drift.detectors import upper_tails

ALPHA = 1e-3


def cloud(count: int, *, seed: int, towards: Floats | None = None) -> Floats:
    """Items around one direction, or spread over the sphere."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 16)) / 4
    if towards is not None:
        vectors = 0.3 * vectors + towards
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def look(b: Floats, window: Floats, *, b_strata: Index | None = None, strata: Index | None = None) -> Clumps:
    a = cloud(400, seed=99)
    return find_clumps(
        b_vectors=b,
        b_nearness=(b @ a.T).max(axis=1),
        b_strata=np.zeros(len(b), dtype=np.int64) if b_strata is None else b_strata,
        vectors=window,
        nearness=(window @ a.T).max(axis=1),
        strata=np.zeros(len(window), dtype=np.int64) if strata is None else strata,
        alpha=ALPHA,
    )


def test_a_few_items_that_lie_together_are_found_and_named() -> None:
    direction = cloud(1, seed=7)[0]
    window = np.concatenate([cloud(480, seed=1), cloud(20, seed=2, towards=direction)])
    found = look(cloud(1_000, seed=3), window)
    assert found.p < 1e-4
    assert found.items[480:].mean() > 0.8
    assert found.items[:480].mean() < 0.05
    assert found.excess == pytest.approx(20, abs=8)


def test_the_order_of_the_window_does_not_matter() -> None:
    window = np.concatenate([cloud(280, seed=1), cloud(20, seed=2, towards=cloud(1, seed=7)[0])])
    order = np.random.default_rng(0).permutation(300)
    found, turned = look(cloud(600, seed=3), window), look(cloud(600, seed=3), window[order])
    assert turned.p == pytest.approx(found.p)
    assert np.array_equal(turned.items, found.items[order])


def test_a_source_that_sends_more_of_the_same_is_no_clump() -> None:
    ours, theirs = cloud(1, seed=7)[0], cloud(1, seed=8)[0]
    b = np.concatenate([cloud(900, seed=1, towards=ours), cloud(100, seed=2, towards=theirs)])
    window = np.concatenate([cloud(150, seed=3, towards=ours), cloud(150, seed=4, towards=theirs)])
    by_source = look(b, window, b_strata=np.repeat([0, 1], [900, 100]), strata=np.repeat([0, 1], [150, 150]))
    assert by_source.p > ALPHA
    assert look(b, window).p < ALPHA  # without a word on the sources it would be one


def test_equal_items_are_no_clump() -> None:
    one = cloud(1, seed=1)
    assert look(np.repeat(one, 300, axis=0), np.repeat(one, 100, axis=0)).p == 1.0


def test_what_is_left_out_counts_nowhere() -> None:
    window = cloud(100, seed=1)
    left_out = np.full(100, -1)
    assert look(cloud(300, seed=2), window, strata=left_out).p == 1.0
    assert look(cloud(300, seed=2), window, b_strata=np.full(300, -1)).p == 1.0


@given(drawn=st.integers(1, 12), ours=st.integers(1, 30), others=st.integers(12, 60), data=st.data())
def test_the_chance_with_one_source_is_hypergeometric(drawn: int, ours: int, others: int, data: st.DataObject) -> None:
    seen = data.draw(st.integers(0, drawn))
    one = (np.array([[number]]) for number in (drawn, ours, ours + others))
    found = upper_tails(np.array([seen]), **dict(zip(("hits", "drawn", "both"), one, strict=True)))
    assert found[0] == pytest.approx(hypergeom.sf(seen - 1, ours + others, ours, drawn), abs=1e-9)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_exchangeable_samples_seldom_hold_a_clump(seed: int) -> None:
    both = cloud(600, seed=seed)
    p = [look(both[order[:400]], both[order[400:]]).p for order in _orders(seed)]
    assert np.mean(np.array(p) < 0.05) <= 0.35  # 20 draws at 5 %: more than 7 of them come once in 30,000 times


def _orders(seed: int) -> list[Index]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(600) for _ in range(20)]
