"""Intervals hold the truth about as often as they say, with few items, unequal weights and families."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pool import Mask
from workers.training.intervals import Design, Doubles, bootstrap, ratio_interval


def plain(hit: Doubles) -> Design:
    return Design(np.full(len(hit), 10.0), np.zeros(len(hit), dtype=np.int64), np.arange(len(hit)))


@pytest.mark.parametrize(("share", "items"), [(0.5, 60), (0.1, 60), (0.9, 25), (0.02, 200)])
def test_a_share_is_covered(share: float, items: int) -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        hit = (rng.random(items) < share).astype(np.float64)
        found = plain(hit).ratio(hit, np.ones(items))
        assert found is not None
        covered += found.low <= share <= found.high
    assert 0.92 <= covered / 400 <= 0.995


@pytest.mark.parametrize("asked", [True, False])
def test_a_recall_is_covered_where_the_missed_hide_in_a_large_stratum_if_a_model_is_asked(asked: bool) -> None:
    """A class of 2 %, a third of it in a stratum of 9,600 of which 180 are drawn: one or two positives, often none."""
    rng = np.random.default_rng(1)
    likely = np.arange(10_000) < 400
    chance, found_at = np.where(likely, 0.35, 0.008), np.where(likely, 0.8, 0.3)
    positive = rng.random(10_000) < chance
    hit = positive & (rng.random(10_000) < found_at)
    recall, covered = hit.sum() / positive.sum(), 0
    for _ in range(300):
        rows = np.concatenate([rng.choice(400, 120, replace=False), 400 + rng.choice(9_600, 180, replace=False)])
        weights = np.where(likely[rows], 400 / 120, 9_600 / 180)
        design = Design(weights, likely[rows].astype(np.int64), np.arange(len(rows)))
        thought = chance[rows] * found_at[rows], chance[rows] * (1 - found_at[rows])
        hits, base = hit[rows].astype(np.float64), positive[rows].astype(np.float64)
        found = design.recall(hits, base, expected=thought) if asked else design.ratio(hits, base)
        assert found is not None
        covered += found.low <= recall <= found.high
    assert covered / 300 >= 0.91 if asked else covered / 300 < 0.8


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_an_interval_lies_in_0_to_1_and_holds_its_value(items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = (rng.random(items) < 0.5).astype(np.float64)
    hit = base * (rng.random(items) < 0.5)
    weights, strata, families = rng.random(items) * 20 + 1, rng.integers(3, size=items), rng.integers(items, size=items)
    found = ratio_interval(hit, base, weights, strata, families)
    if not base.any():
        assert found is None
    else:
        assert found is not None
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high > found.low  # a handful of items never make sure


def test_copies_of_families_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(0)
    hit = (rng.random(60) < 0.3).astype(np.float64)
    alone = plain(hit).ratio(hit, np.ones(60))
    copied = np.repeat(hit, 10)
    again = ratio_interval(
        copied, np.ones(600), np.ones(600), np.zeros(600, dtype=np.int64), np.repeat(np.arange(60), 10)
    )
    assert alone is not None
    assert again is not None
    assert again.high - again.low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_a_pool_that_is_labeled_as_a_whole_has_nothing_left_to_doubt() -> None:
    targets = np.arange(50)[:, None] < [10, 40]
    design = Design(np.ones(50), np.zeros(50, dtype=np.int64), np.arange(50))
    assert [(one.low, one.value, one.high) for one in design.shares(targets) or []] == [(0.2,) * 3, (0.8,) * 3]


def test_the_less_of_a_pool_is_unseen_the_narrower_its_share() -> None:
    targets = np.arange(100)[:, None] < [30]

    def width(stands_for: float) -> float:
        design = Design(np.full(100, stands_for), np.zeros(100, dtype=np.int64), np.arange(100))
        (share,) = design.shares(targets) or []
        return share.high - share.low

    assert width(1.25) == pytest.approx(np.sqrt(0.2) * width(1e6), rel=0.1)


def test_a_recall_of_which_next_to_all_is_seen_is_as_narrow_as_it_is_sure() -> None:
    """A class that stands in one stratum, of which so many of 400 were drawn; the other holds nothing of it."""
    rng, widths = np.random.default_rng(2), []
    for drawn in (100, 380):
        covered, width = 0, 0.0
        for _ in range(200):
            hit = rng.random(400) < 0.8
            rows = rng.choice(400, drawn, replace=False)
            weights = np.concatenate([np.full(drawn, 400 / drawn), np.full(60, 50.0)])
            strata = np.repeat([0, 1], [drawn, 60])
            hits, base = np.concatenate([hit[rows], np.zeros(60)]), (strata == 0).astype(np.float64)
            thought = 0.79 * base, 0.19 * base + 0.0005 * (1 - base)
            found = Design(weights, strata, np.arange(drawn + 60)).recall(hits, base, expected=thought)
            assert found is not None
            covered += found.low <= hit.mean() <= found.high
            width += found.high - found.low
        assert covered / 200 >= 0.92
        widths.append(width / 200)
    assert widths[1] < 0.5 * widths[0]


def test_a_recall_is_not_sure_where_a_model_expects_what_was_not_drawn() -> None:
    """All of a class that was drawn stands for itself alone; in a stratum that stands for more there may be others."""
    weights, strata = np.repeat([1.0, 20.0], [30, 50]), np.repeat([0, 1], [30, 50])
    base = (strata == 0).astype(np.float64)
    design = Design(weights, strata, np.arange(80))
    hidden, nothing = (0 * base, 0.002 * (1 - base)), (0 * base, 0 * base)
    may_be = design.recall(base, base, expected=hidden)
    sure = design.recall(base, base, expected=nothing)
    assert may_be is not None
    assert sure is not None
    assert may_be.low < 0.99
    assert (sure.low, sure.high) == (1.0, 1.0)


def test_the_bootstrap_covers_a_figure_without_a_formula() -> None:
    """F1 of decisions with recall 0.6 that flag 15 % of the others, for a class of 20 %."""
    rng, covered = np.random.default_rng(3), 0
    true = 2 * 0.2 * 0.6 / (0.2 + 0.2 * 0.6 + 0.8 * 0.15)
    for _ in range(100):
        positive = rng.random(300) < 0.2
        decided = rng.random(300) < np.where(positive, 0.6, 0.15)
        hit, said = positive & decided, positive.astype(np.float64) + decided

        def f1(weights: Doubles, hit: Mask = hit, said: Doubles = said) -> Doubles:
            return np.array([2 * (weights @ hit) / (weights @ said)])

        (found,) = bootstrap(plain(said), f1, sizes=np.array([300.0]), rng=rng, rounds=100)
        assert found is not None
        covered += found.low <= true <= found.high
    assert covered >= 88


def test_a_figure_that_the_items_say_nothing_of_has_no_interval() -> None:
    found = bootstrap(
        plain(np.zeros(5)),
        lambda _: np.array([np.nan, 0.5]),
        sizes=np.array([5.0, 5.0]),
        rng=np.random.default_rng(0),
        rounds=5,
    )
    assert found[0] is None
    assert found[1] is not None
