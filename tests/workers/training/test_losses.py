"""Slopes are exact, and options that are off leave the log loss as it is to the last bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.special import expit, log_expit, softmax

from shared.pool import Floats, Mask
from workers.training.losses import LOG_LOSS, Loss

Doubles = Any
"""float64, so that differences can be small, where single precision is used otherwise."""


def made_up(rows: int, classes: int, *, exclusive: bool, seed: int) -> tuple[Doubles, Mask, Doubles]:
    rng = np.random.default_rng(seed)
    targets = np.arange(classes) == rng.integers(classes, size=rows)[:, None]
    if not exclusive:
        targets = rng.random((rows, classes)) < 0.4
    share = rng.uniform(0.1, 2, size=(rows, 1)).repeat(classes, axis=1)
    return 3 * rng.normal(size=(rows, classes)), targets, share


def function_of(loss: Loss, *, exclusive: bool) -> Callable[[Floats, Mask, Floats], tuple[float, Floats]]:
    return loss.of_softmax if exclusive else loss.of_sigmoids


@given(
    rows=st.integers(1, 8),
    classes=st.integers(1, 5),
    exclusive=st.booleans(),
    gamma=st.sampled_from([0.0, 0.3, 1.0, 2.0, 5.0]),
    smoothing=st.sampled_from([0.0, 0.05, 0.4]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_slopes_are_those_of_finite_differences(
    rows: int, classes: int, exclusive: bool, gamma: float, smoothing: float, seed: int
) -> None:
    scores, targets, share = made_up(rows, classes, exclusive=exclusive, seed=seed)
    of = function_of(Loss(gamma, smoothing), exclusive=exclusive)

    def loss(flat: Doubles) -> float:
        return of(flat.reshape(rows, classes).copy(), targets, share)[0]

    slope = of(scores.copy(), targets, share)[1].ravel()
    assert slope == pytest.approx(approx_fprime(scores.ravel(), loss), abs=1e-5)


@given(
    rows=st.integers(1, 8),
    classes=st.integers(2, 5),
    exclusive=st.booleans(),
    gamma=st.sampled_from([0.0, 2.0]),
    smoothing=st.sampled_from([0.0, 0.4]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_probabilities_cost_what_their_labels_cost_on_average(
    rows: int, classes: int, exclusive: bool, gamma: float, smoothing: float, seed: int
) -> None:
    scores, targets, share = made_up(rows, classes, exclusive=exclusive, seed=seed)
    _, others, _ = made_up(rows, classes, exclusive=exclusive, seed=seed + 1)
    of = function_of(Loss(gamma, smoothing), exclusive=exclusive)
    (one, slope), (two, other), (both, mean) = (
        of(scores.copy(), answers, share) for answers in (targets, others, 0.25 * targets + 0.75 * others)
    )
    assert both == pytest.approx(0.25 * one + 0.75 * two, rel=1e-5)
    assert mean == pytest.approx(0.25 * slope + 0.75 * other, abs=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_focal_loss_is_that_of_the_paper(gamma: float) -> None:
    scores, targets, share = made_up(6, 4, exclusive=True, seed=1)
    own = softmax(scores, axis=1)[targets]
    expected = -(share[:, 0] * (1 - own) ** gamma * np.log(own)).sum()
    assert Loss(gamma).of_softmax(scores.copy(), targets, share)[0] == pytest.approx(expected)
    right = expit(np.where(targets, scores, -scores))
    expected = -(share * (1 - right) ** gamma * np.log(right)).sum()
    assert Loss(gamma).of_sigmoids(scores.copy(), targets, share)[0] == pytest.approx(expected)


def test_smoothed_labels_are_the_log_loss_of_labels_that_are_spread() -> None:
    scores, targets, share = made_up(6, 4, exclusive=True, seed=2)
    spread = np.where(targets, 0.8 + 0.2 / 4, 0.2 / 4)
    expected = -(share * spread * np.log(softmax(scores, axis=1))).sum()
    smoothed = Loss(label_smoothing=0.2)
    assert smoothed.of_softmax(scores.copy(), targets, share)[0] == pytest.approx(expected)
    half = np.where(targets, 0.9, 0.1)
    expected = -(share * (half * log_expit(scores) + (1 - half) * log_expit(-scores))).sum()
    assert smoothed.of_sigmoids(scores.copy(), targets, share)[0] == pytest.approx(expected)


@given(rows=st.integers(1, 50), classes=st.integers(1, 9), seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_options_that_are_off_are_the_plain_log_loss_byte_for_byte(rows: int, classes: int, seed: int) -> None:
    for exclusive in (True, False):
        scores, targets, share = made_up(rows, classes, exclusive=exclusive, seed=seed)
        single, counted = scores.astype(np.float32), share.astype(np.float32)
        loss, slope = function_of(Loss(0.0, 0.0), exclusive=exclusive)(single.copy(), targets, counted)
        expected_loss, expected_slope = (_plain_softmax if exclusive else _plain_sigmoids)(single, targets, counted)
        assert loss == expected_loss
        assert slope.tobytes() == expected_slope.tobytes()


def _plain_softmax(scores: Floats, targets: Mask, share: Floats) -> tuple[float, Floats]:
    scores = scores - scores.max(axis=1, keepdims=True)
    raised = np.exp(scores)
    total = raised.sum(axis=1)
    loss = (share[:, 0] * (np.log(total) - scores[targets])).sum(dtype=np.float64)
    return float(loss), (raised / total[:, None] - targets) * share


def _plain_sigmoids(scores: Floats, targets: Mask, share: Floats) -> tuple[float, Floats]:
    loss = (share * np.logaddexp(0, np.where(targets, -scores, scores))).sum(dtype=np.float64)
    return float(loss), share * (expit(scores) - targets)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("gamma", [0.0, 0.3, 2.0])
def test_scores_beyond_all_doubt_give_finite_losses_and_slopes(exclusive: bool, gamma: float) -> None:
    scores = np.array([[90.0, -90.0], [-90.0, 90.0], [0.0, 0.0]], dtype=np.float32)
    targets = np.array([[True, False], [True, False], [False, True]])
    loss, slope = function_of(Loss(gamma, 0.1), exclusive=exclusive)(scores, targets, np.ones((3, 2), np.float32))
    assert np.isfinite(loss)
    assert np.isfinite(slope).all()
    assert slope[1, 0] < 0 < slope[1, 1]  # towards what it says


def test_what_is_told_well_hardly_counts_under_the_focal_loss() -> None:
    scores, targets = np.array([[3.0], [-3.0]], dtype=np.float32), np.array([[True], [True]])
    ones = np.ones((2, 1), dtype=np.float32)
    plain, focal = (loss.of_sigmoids(scores.copy(), targets, ones)[1][:, 0] for loss in (LOG_LOSS, Loss(2.0)))
    assert abs(focal[0] / plain[0]) < 0.01
    assert abs(focal[1] / plain[1]) > 0.9
