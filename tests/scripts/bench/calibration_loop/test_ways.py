"""Each way gives probabilities, finds what it can express, and is only chosen where it is better."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from scripts.bench.calibration_loop.__main__ import Measured, report
from scripts.bench.calibration_loop.ways import WAYS, HeldOut, chosen, isotonic, mean_log_loss, temperature, vector


def held_out(rows: int, *, exclusive: bool, slope: float = 1.0, seed: int = 0) -> HeldOut:
    """Labels as probable as `slope` times the scores say."""
    rng = np.random.default_rng(seed)
    scores = (2 * rng.normal(size=(rows, 3))).astype(np.float32)
    true = softmax(slope * scores, axis=1) if exclusive else expit(slope * scores)
    targets = rng.random(true.shape) < true
    if exclusive:
        drawn = (true.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1).clip(max=2)
        targets = np.arange(3) == drawn[:, None]
    everything = np.ones(targets.shape, dtype=bool)
    return HeldOut(scores, targets, everything, np.zeros(targets.shape), np.arange(rows), exclusive)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("way", sorted(WAYS))
def test_all_give_probabilities_and_are_near_the_truth_with_many_labels(way: str, exclusive: bool) -> None:
    held = held_out(4_000, exclusive=exclusive)
    fresh = held_out(4_000, exclusive=exclusive, seed=1)
    probability = WAYS[way](held)(fresh.scores, fresh.prior)
    assert ((probability >= 0) & (probability <= 1)).all()
    if exclusive:
        assert probability.sum(axis=1) == pytest.approx(1.0)
    true = softmax(fresh.scores, axis=1) if exclusive else expit(fresh.scores)
    best = mean_log_loss(np.asarray(true, dtype=np.float64), fresh.targets, exclusive=exclusive)
    assert mean_log_loss(probability, fresh.targets, exclusive=exclusive) == pytest.approx(best, abs=0.06)


def test_the_temperature_is_found() -> None:
    held = held_out(4_000, exclusive=True, slope=0.5)
    assert temperature(held)(held.scores, held.prior) == pytest.approx(softmax(0.5 * held.scores, axis=1), abs=0.03)


def test_isotonic_regression_keeps_the_order_of_a_class() -> None:
    held = held_out(500, exclusive=False)
    order = np.argsort(held.scores[:, 0])
    assert (np.diff(isotonic(held)(held.scores, held.prior)[order, 0]) >= -1e-9).all()


def test_isotonic_regression_is_chosen_where_no_slope_does() -> None:
    held = held_out(3_000, exclusive=False)
    steps = np.random.default_rng(2).random(held.targets.shape) < np.where(np.abs(held.scores) > 1, 0.9, 0.1)
    bent = HeldOut(held.scores, steps & (held.scores > -1), held.known, held.prior, held.families, exclusive=False)
    plain, found = (
        mean_log_loss(way(bent)(bent.scores, bent.prior), bent.targets, exclusive=False) for way in (vector, chosen)
    )
    assert found < plain - 0.05


def test_a_report_holds_each_way_against_vector_scaling() -> None:
    found = [
        Measured("hate", seed, "chance", 200, way, loss, 0.1, 0.5)
        for seed in (0, 1)
        for way, loss in (("vector", 0.4), ("undone", 0.5), ("isotonic", 0.3))
    ]
    lines = report(found).splitlines()
    assert lines[0].startswith("| set | labels by | labels | log loss, vector | undone | temperature | isotonic |")
    assert "| 0.400 | +0.100 [+0.100, +0.100] | - | -0.100 [-0.100, -0.100] |" in lines[2]
