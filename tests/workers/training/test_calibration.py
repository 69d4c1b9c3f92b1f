"""Calibration finds the slope and the shifts that made-up scores were bent by, and leaves alone what it can't know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import expit, softmax

from shared.pool import Floats, Mask
from workers.training import calibration
from workers.training.calibration import Calibration, calibrate, log_loss, untouched


def drawn(odds: np.ndarray, rng: np.random.Generator, *, exclusive: bool) -> Mask:
    """Labels as probable as the odds say."""
    if not exclusive:
        return np.asarray(rng.random(odds.shape) < expit(odds))
    answer = (softmax(odds, axis=1).cumsum(axis=1) < rng.random((len(odds), 1))).sum(axis=1)
    return np.asarray(np.arange(odds.shape[1]) == np.minimum(answer, odds.shape[1] - 1)[:, None])


def anything(rng: np.random.Generator, rows: int, classes: int, *, exclusive: bool) -> tuple[Floats, Mask, Mask]:
    """Scores, labels and what is known, none of which need have to do with another."""
    scores = rng.normal(scale=rng.uniform(0.1, 20), size=(rows, classes)).astype(np.float32)
    targets = rng.random((rows, classes)) < 0.3
    if exclusive:
        targets = np.arange(classes) == rng.integers(classes, size=rows)[:, None]
    return scores, targets, rng.random((rows, classes)) < rng.uniform(0, 1.2)


@pytest.mark.parametrize("slope", [0.3, 1.0, 2.0])
def test_the_slope_and_the_shifts_of_a_softmax_are_found(slope: float) -> None:
    rng = np.random.default_rng(0)
    shift, prior = np.array([0.8, -0.8, 0.0]), np.array([0.5, -2.0, 0.1])
    scores = rng.normal(scale=2, size=(20_000, 3)).astype(np.float32)
    targets = drawn(slope * scores + prior + shift, rng, exclusive=True)
    everything = np.ones(targets.shape, dtype=bool)
    found = calibrate(scores, targets, everything, np.tile(prior, (20_000, 1)), exclusive=True)
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.shift - found.shift.mean() == pytest.approx(shift, abs=0.1)


def test_each_class_of_several_has_its_own_slope_and_shift() -> None:
    rng = np.random.default_rng(0)
    slope, shift, prior = np.array([0.3, 1.0, 2.0]), np.array([1.0, -1.0, 0.0]), np.array([0.0, 1.5, -1.5])
    scores = rng.normal(scale=2, size=(20_000, 3)).astype(np.float32)
    targets = drawn(slope * scores + prior + shift, rng, exclusive=False)
    everything = np.ones(targets.shape, dtype=bool)
    found = calibrate(scores, targets, everything, np.tile(prior, (20_000, 1)), exclusive=False)
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.shift == pytest.approx(shift, abs=0.1)


def test_every_row_has_the_prior_of_its_own_model() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20_000, 3)).astype(np.float32)
    prior = np.where(np.arange(20_000)[:, None] % 2, [2.0, 0.0, -2.0], [-1.0, 1.0, 0.0])
    targets = drawn(scores + prior, rng, exclusive=True)
    found = calibrate(scores, targets, np.ones(targets.shape, dtype=bool), prior, exclusive=True)
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.shift == pytest.approx(0.0, abs=0.1)


@given(rows=st.integers(1, 60), classes=st.integers(2, 6), exclusive=st.booleans(), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_on_its_own_labels_it_is_never_worse_than_no_calibration(
    rows: int, classes: int, exclusive: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scores, targets, known = anything(rng, rows, classes, exclusive=exclusive)
    prior = rng.normal(size=(rows, classes))
    found = calibrate(scores, targets, known, prior, exclusive=exclusive)
    assert (found.slope > 0).all()
    before = log_loss(untouched(classes).apply(scores, prior), targets, known, exclusive=exclusive)
    after = log_loss(found.apply(scores, prior), targets, known, exclusive=exclusive)
    assert after <= before + 1e-9


@given(rows=st.integers(1, 60), classes=st.integers(2, 6), exclusive=st.booleans(), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_a_class_that_no_model_knew_keeps_its_shift(rows: int, classes: int, exclusive: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, targets, known = anything(rng, rows, classes, exclusive=exclusive)
    known[:, -1] = False
    scores[:, -1] = -1.0  # what it is given for the class is of no account
    prior = rng.normal(size=(rows, classes))
    found = calibrate(scores, targets, known, prior, exclusive=exclusive)
    assert found.shift[-1] == 0
    scores[:, -1], prior[:, -1] = 50.0, -3.0
    again = calibrate(scores, targets, known, prior, exclusive=exclusive)
    assert np.array_equal(again.shift, found.shift)
    assert np.array_equal(again.slope[:-1], found.slope[:-1])


@pytest.mark.parametrize("exclusive", [True, False])
def test_knowing_nothing_it_changes_nothing_and_has_no_loss_to_compare(exclusive: bool) -> None:
    scores, targets = np.ones((5, 3), dtype=np.float32), np.eye(5, 3, dtype=bool)
    nothing, prior = np.zeros((5, 3), dtype=bool), np.ones((5, 3))
    found = calibrate(scores, targets, nothing, prior, exclusive=exclusive)
    assert np.array_equal(found.slope, np.ones(3))
    assert np.array_equal(found.shift, np.zeros(3))
    assert log_loss(scores.astype(np.float64), targets, nothing, exclusive=exclusive) == float("inf")


@pytest.mark.parametrize("exclusive", [True, False])
def test_few_labels_move_it_little_and_many_move_it_far(exclusive: bool) -> None:
    moved = []
    for rows in (2, 2_000):
        scores = np.zeros((rows, 2), dtype=np.float32)
        targets = np.tile([True, False], (rows, 1))
        found = calibrate(scores, targets, np.ones((rows, 2), dtype=bool), np.zeros((rows, 2)), exclusive=exclusive)
        moved.append(float(found.shift[0] - found.shift[1]))
    assert 0 < moved[0] < 1.6
    assert moved[1] > 4


@pytest.mark.parametrize("exclusive", [True, False])
def test_no_slope_or_shift_nearby_is_likelier_under_the_prior(exclusive: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(scale=2, size=(40, 3)).astype(np.float32)
    targets = drawn(0.4 * scores + [1.0, 0.0, -1.0], rng, exclusive=exclusive)
    everything, prior = np.ones((40, 3), dtype=bool), np.zeros((40, 3))
    found = calibrate(scores, targets, everything, prior, exclusive=exclusive)

    def against(log_slope: np.ndarray, shift: np.ndarray) -> float:
        moved = Calibration(np.exp(log_slope), shift)
        loss = 40 * log_loss(moved.apply(scores, prior), targets, everything, exclusive=exclusive)
        known_slopes = log_slope[:1] if exclusive else log_slope
        return loss + float((known_slopes**2).sum() + (shift**2).sum()) / 2

    best = against(np.log(found.slope), found.shift)
    for step in (-0.03, 0.03):
        for column in range(3):
            there = step * (np.arange(3) == column)
            assert against(np.log(found.slope) + (step if exclusive else there), found.shift) > best
            assert against(np.log(found.slope), found.shift + there) > best


def test_a_prior_is_the_same_for_all_rows_or_one_a_row() -> None:
    scores = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = Calibration(np.array([2.0, 3.0]), np.array([0.5, -0.5]))
    prior = np.array([1.0, -1.0])
    assert found.apply(scores, prior).tolist() == [[1.5, 1.5], [5.5, 7.5], [9.5, 13.5]]
    assert np.array_equal(found.apply(scores, prior), found.apply(scores, np.tile(prior, (3, 1))))
    assert found.apply(scores, np.zeros((3, 2)))[0].tolist() == [0.5, 2.5]


@given(rows=st.integers(1, 10), classes=st.integers(2, 5), exclusive=st.booleans(), seed=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_slopes_are_those_of_finite_differences(rows: int, classes: int, exclusive: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, targets, known = anything(rng, rows, classes, exclusive=exclusive)
    known |= targets if exclusive else False
    loss_of = calibration._softmax if exclusive else calibration._sigmoid

    def loss(flat: np.ndarray) -> float:
        return loss_of(flat.reshape(rows, classes), targets, known)[0]

    def slope(flat: np.ndarray) -> np.ndarray:
        return loss_of(flat.reshape(rows, classes), targets, known)[1].ravel()

    assert check_grad(loss, slope, 2 * rng.normal(size=rows * classes)) < 1e-4
