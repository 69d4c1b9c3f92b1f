"""Reliability bins hold equal shares and what came true in them; the calibration error's interval has what is true."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.training.calibration import Doubles
from workers.training.metrics import Interval
from workers.training.reliability import expected_calibration_error, reliability


def ratio(part: Doubles, whole: Doubles, *, weights: Doubles) -> Interval | None:
    total = float(whole @ weights)
    value = float(part @ weights) / total if total else 0.0
    return Interval(value, value, value) if total else None


def test_bins_hold_equal_shares_of_the_weight_and_what_came_true_in_them() -> None:
    probability = np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])
    hits = np.array([False, True, False, True, True, True])
    weights = np.array([1.0, 1.0, 2.0, 2.0, 1.0, 1.0])
    first, second = reliability(probability, hits, weights, partial(ratio, weights=weights), bins=2)
    assert first == {
        "probability": pytest.approx((0.1 + 0.2 + 2 * 0.3) / 4),
        "frequency": 0.25,
        "low": 0.25,
        "high": 0.25,
        "share": 0.5,
    }
    assert second["frequency"] == 1.0
    assert second["share"] == 0.5


@given(seed=st.integers(0, 100_000), bins=st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_nothing_is_lost_and_equal_probabilities_stay_together(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 60))
    probability = rng.integers(0, 8, size=rows) / 8
    hits, weights = rng.random(rows) < probability, rng.uniform(0.5, 3, size=rows)
    found = reliability(probability, hits, weights, partial(ratio, weights=weights), bins=bins)
    assert len(found) <= bins
    assert sum(row["share"] for row in found) == pytest.approx(1)
    assert sum(row["share"] * row["probability"] for row in found) == pytest.approx(
        np.average(probability, weights=weights)
    )
    assert sum(row["share"] * row["frequency"] for row in found) == pytest.approx(np.average(hits, weights=weights))
    rising = [row["probability"] for row in found]
    assert rising == sorted(rising)
    error = expected_calibration_error(
        probability, hits, weights, np.arange(rows), rng=np.random.default_rng(0), bins=bins, rounds=20
    )
    assert error.value == pytest.approx(
        sum(row["share"] * abs(row["probability"] - row["frequency"]) for row in found), abs=1e-9
    )
    assert 0 <= error.low <= error.value <= error.high


def test_the_error_of_probabilities_that_are_too_sure_lies_in_its_interval() -> None:
    covered, above = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        true = rng.uniform(0.3, 0.7, size=400)
        hits = rng.random(400) < true
        shifted = expected_calibration_error(true + 0.15, hits, np.ones(400), np.arange(400), rng=rng, rounds=200)
        covered += shifted.low <= 0.15 <= shifted.high
        perfect = expected_calibration_error(true, hits, np.ones(400), np.arange(400), rng=rng, rounds=200)
        above += perfect.low > 0.01
    assert covered >= 52
    assert above <= 5


def test_predictions_of_one_family_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    hits = np.repeat(rng.random(40) < 0.5, 10)
    probability, weights = np.full(400, 0.2), np.ones(400)
    apart = expected_calibration_error(probability, hits, weights, np.arange(400), rng=np.random.default_rng(1))
    together = expected_calibration_error(
        probability, hits, weights, np.repeat(np.arange(40), 10), rng=np.random.default_rng(1)
    )
    assert together.high - together.low > 2 * (apart.high - apart.low)
