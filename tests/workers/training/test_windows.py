"""Stretches of the pool of which the audit sample holds more: the sample stays one by known probabilities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pools import make_pool
from workers.training import audit, windows


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 100), st.integers(1, 100), st.floats(0.0, 1.0), st.integers(0, 1_000))
def test_a_threshold_raises_what_lies_in_its_stretch_and_nothing_else(
    first: int, length: int, threshold: float, seed: int
) -> None:
    pool, _ = make_pool(items=120, seed=seed)
    before = audit.extend(pool, {}, draws=20)
    after = audit.measure(pool, {**before.thresholds, windows.key(first, first + length): threshold})
    inside = (pool.ids >= first) & (pool.ids <= first + length)
    assert np.array_equal(after.inclusion[~inside], before.inclusion[~inside])
    assert np.array_equal(after.inclusion[inside], np.maximum(before.inclusion[inside], threshold))
    assert np.all(after.members[before.members])
    assert np.array_equal(after.members, pool.draws < after.inclusion)


def test_a_stretch_may_be_of_one_source_whatever_its_name() -> None:
    pool, _ = make_pool(items=100, sources=("a:b", "c"))
    found = audit.measure(pool, {windows.key(1, 50, "a:b"): 0.5}).inclusion
    inside = (pool.ids <= 50) & (pool.sources == 0)
    assert np.array_equal(found > 0, inside)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=100, max_size=100).filter(any), st.sampled_from([None, "a:b", "1,2"]))
def test_a_stretch_may_have_gaps(inside: list[bool], source: str | None) -> None:
    pool, _ = make_pool(items=100, sources=("a:b", "1,2"))
    named = windows.key_of(pool.ids, np.array(inside), source)
    found = audit.measure(pool, {named: 0.5}).inclusion
    of_source = pool.sources == ("a:b", "1,2").index(source) if source else True
    assert np.array_equal(found > 0, np.array(inside) & of_source)


def test_a_stretch_without_gaps_is_named_by_its_edges() -> None:
    pool, _ = make_pool(items=100)
    assert windows.key_of(pool.ids, (pool.ids >= 7) & (pool.ids <= 30)) == windows.key(7, 30) == "window:7:30"


@pytest.mark.parametrize("source", [None, "mail"])
def test_a_stretch_of_scattered_items_has_a_short_name_and_no_item_less(source: str | None) -> None:
    rng = np.random.default_rng(0)
    ids = np.cumsum(rng.integers(1, 50, 20_000))
    inside = rng.random(len(ids)) < 0.1
    name = windows.key_of(ids, inside, source)
    assert len(name) < 4_000
    found = windows.within(name, ids, np.zeros(len(ids), dtype=np.int64), ["mail"])
    assert not (inside & ~found).any()
    assert (
        windows.by_item({name: 0.5}, ids, np.zeros(len(ids), dtype=np.int64), ["mail"]).tolist()
        == (0.5 * found).tolist()
    )


def test_the_first_by_their_draw_enter_whoever_they_are() -> None:
    pool, _ = make_pool(items=100)
    threshold, drawn = windows.draw("w", pool.draws[:30], pool.ids[:30], count=7)
    assert sorted(drawn.tolist()) == sorted(pool.ids[:30][pool.draws[:30] < threshold["w"]].tolist())
    assert len(drawn) == 7
    assert windows.draw("w", pool.draws[:0], pool.ids[:0], count=7)[0] == {}


def test_what_a_stretch_holds_already_is_not_drawn_again_for_the_strata() -> None:
    pool, _ = make_pool(items=200)
    thresholds = {windows.key(1, 200): 0.3}
    before = audit.measure(pool, thresholds).members.sum()
    assert audit.extend(pool, thresholds, draws=20).members.sum() == before + 20


def test_shares_of_the_pool_are_right_on_average_though_a_stretch_counts_for_more() -> None:
    """A stretch in which a class is five times as frequent, drawn three times as densely, bends nothing."""
    pool, truth = make_pool(items=600, shares=(0.95, 0.05))
    truth[500:, 1] |= np.random.default_rng(1).random(100) < 0.25
    truth[:, 0] = ~truth[:, 1]
    rng, found = np.random.default_rng(2), []
    for _ in range(300):
        drawn = replace(pool, draws=rng.random(600))
        base = audit.extend(drawn, {}, draws=90).thresholds
        thresholds = {**base, windows.key(501, 600): 0.45}
        rows = np.flatnonzero(audit.measure(drawn, thresholds).members)
        weights = audit.weigh(drawn, thresholds, rows).weights
        found.append(np.average(truth[rows, 1], weights=weights))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - truth[:, 1].mean()) < 4 * error
