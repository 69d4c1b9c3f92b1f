"""Bets win by chance as rarely as they promise, win soon where a loss grew, and intervals hold the truth."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from workers.drift import betting
from workers.drift.betting import Answers

ALPHA, RUNS, LOOKS, ITEMS = 0.2, 400, 15, 20


def batch(rng: np.random.Generator, loss: float, *, items: int = ITEMS, heavy: float = 6.0) -> Answers:
    """Answers of which a share `loss` is lost whatever they weigh; families of one or two."""
    weights = rng.choice([1.0, heavy], size=items)
    families = np.arange(items) // rng.integers(1, 3)
    lost = (rng.random(items) < loss).astype(np.float64)
    return betting.gather(lost, np.ones(items), weights, families)


def reaches_one(rng: np.random.Generator, loss: float, level: float, *, heavy: float = 6.0) -> int | None:
    """Look at which the fortunes reach 1, if they do."""
    fortunes = betting.start()
    for look in range(LOOKS):
        fortunes = betting.play(
            fortunes, batch(rng, loss, heavy=heavy), level=level, given=ALPHA / 2 if look == 0 else ALPHA / 2 / LOOKS
        )
        if sum(fortunes) >= 1:
            return look
    return None


def test_bets_against_a_true_claim_win_no_more_often_than_they_were_given_to_risk() -> None:
    rng = np.random.default_rng(0)
    won = sum(reaches_one(rng, 0.3, 0.3) is not None for _ in range(RUNS))
    assert won <= binom.ppf(0.999, RUNS, ALPHA)


def test_bets_against_a_claim_that_is_wrong_by_far_win_soon() -> None:
    rng = np.random.default_rng(1)
    looks = [reaches_one(rng, 0.5, 0.2, heavy=2.0) for _ in range(50)]
    assert all(look is not None and look < LOOKS for look in looks)


def test_a_long_good_time_leaves_something_to_bet_with() -> None:
    rng = np.random.default_rng(2)
    fortunes = betting.play(betting.start(), batch(rng, 0.1), level=0.2, given=0.05)
    for _ in range(100):
        fortunes = betting.play(fortunes, batch(rng, 0.1), level=0.2, given=1e-3)
    for _ in range(9):
        fortunes = betting.play(fortunes, batch(rng, 0.7, heavy=1.0), level=0.2, given=1e-3)
    assert sum(fortunes) >= 1


@given(st.integers(1, 60), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_fortunes_don_t_depend_on_the_order_of_answers(items: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lost, weights, families = rng.random(items), rng.random(items) + 0.1, rng.integers(items, size=items)
    order = rng.permutation(items)
    one, other = (
        betting.gather(lost[rows], np.ones(items), weights[rows], families[rows]) for rows in (np.arange(items), order)
    )
    played = [betting.play(betting.start(), answers, level=0.4, given=0.1) for answers in (one, other)]
    assert np.allclose(played[0], played[1])
    assert all(fortune >= 0 for fortune in played[0])


@given(st.integers(1, 80), st.floats(0, 1), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_an_interval_lies_in_0_to_1_and_holds_its_value(items: int, loss: float, seed: int) -> None:
    found = betting.interval(batch(np.random.default_rng(seed), loss, items=items), alpha=0.05)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_an_interval_holds_the_truth_and_narrows_with_answers() -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(100):
        found = betting.interval(batch(rng, 0.15, items=100), alpha=0.05)
        assert found is not None
        covered += found.low <= 0.15 <= found.high
    assert covered >= binom.ppf(0.001, 100, 0.95)
    few, many = (betting.interval(batch(rng, 0.15, items=items), alpha=0.05) for items in (50, 2_000))
    assert few is not None
    assert many is not None
    assert many.high - many.low < (few.high - few.low) / 3


def test_nothing_to_lose_has_no_interval_and_moves_no_fortune() -> None:
    nothing = betting.gather(np.zeros(3), np.zeros(3), np.ones(3), np.arange(3))
    assert betting.interval(nothing, alpha=0.05) is None
    assert np.isclose(sum(betting.play(betting.start(), nothing, level=0.5, given=0.3)), 0.3)
