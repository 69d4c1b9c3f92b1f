"""Decisions reach the highest expected macro-F1, which for a rare class means at probabilities well under a half."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import expit, log_softmax

from shared.pool import Mask
from workers.training.calibration import Doubles
from workers.training.decision import best_offsets, decide

# Few values, so that ties are common.
_coarse = st.integers(-4, 4).map(lambda number: number / 2)
_fine = st.floats(-8, 8, width=32)
shapes = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
odds_of_any_kind = arrays(np.float64, shapes, elements=_coarse) | arrays(np.float64, shapes, elements=_fine)


def expected_f1(decided: Mask, probability: Doubles) -> Doubles:
    """F1 of each class: twice the expected hits over what was said and what is expected to be true."""
    said_and_true = decided.sum(axis=0) + probability.sum(axis=0)
    return np.asarray(2 * (decided * probability).sum(axis=0) / said_and_true)


def drawn(probability: Doubles, rng: np.random.Generator) -> Mask:
    answer = (probability.cumsum(axis=1) < rng.random((len(probability), 1))).sum(axis=1)
    return np.asarray(np.arange(probability.shape[1]) == np.minimum(answer, probability.shape[1] - 1)[:, None])


def test_exactly_the_highest_or_all_of_nought_and_more_are_decided_for() -> None:
    scores = np.array([[-1.0, 0.0, 2.0], [-3.0, -2.0, -1.0], [1.0, 1.0, -1.0]])
    assert decide(scores, exclusive=True).argmax(axis=1).tolist() == [2, 2, 0]
    assert decide(scores, exclusive=True).sum(axis=1).tolist() == [1, 1, 1]
    assert decide(scores, exclusive=False).tolist() == [[False, True, True], [False] * 3, [True, True, False]]


@given(odds=odds_of_any_kind)
@settings(max_examples=200, deadline=None)
def test_offsets_never_lower_the_expected_macro_f1_of_the_most_probable_class(odds: Doubles) -> None:
    scores = log_softmax(odds, axis=1)
    probability = np.exp(scores)
    plain = expected_f1(decide(scores, exclusive=True), probability).mean()
    moved = expected_f1(decide(scores + best_offsets(scores, exclusive=True), exclusive=True), probability).mean()
    assert moved >= plain - 1e-9


@given(odds=odds_of_any_kind)
@settings(max_examples=200, deadline=None)
def test_of_all_thresholds_each_class_of_several_gets_the_best(odds: Doubles) -> None:
    offsets = best_offsets(odds, exclusive=False)
    probability = expit(odds)
    found = expected_f1(odds >= -offsets, probability)
    by_hand = np.max([expected_f1(odds >= threshold, probability) for threshold in odds], axis=0)
    assert found == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_of_two_classes_the_split_is_as_good_as_the_best_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lead = rng.normal(size=1_000) * 2 - 3
    scores = log_softmax(np.stack([np.zeros(1_000), lead], axis=1), axis=1)
    found = expected_f1(decide(scores + best_offsets(scores, exclusive=True), exclusive=True), np.exp(scores)).mean()
    by_hand = max(
        expected_f1(np.stack([lead < threshold, lead >= threshold], axis=1), np.exp(scores)).mean()
        for threshold in lead
    )
    assert by_hand - 0.01 <= found <= by_hand + 1e-9


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_rare_class_is_decided_for_though_it_is_never_the_more_probable(exclusive: bool) -> None:
    rare = np.full(2_000, 0.002)
    rare[:40] = 0.3
    probability = np.stack([1 - rare, rare], axis=1)
    odds = np.log(probability) if exclusive else np.log(probability / (1 - probability))
    assert not decide(odds, exclusive=exclusive)[:, 1].any()
    decided = decide(odds + best_offsets(odds, exclusive=exclusive), exclusive=exclusive)
    assert np.flatnonzero(decided[:, 1]).tolist() == list(range(40))


def test_what_is_expected_comes_true_on_labels_as_probable_as_they_should_be() -> None:
    rng = np.random.default_rng(0)
    scores = log_softmax(1.5 * rng.normal(size=(20_000, 4)) + np.log([0.9, 0.07, 0.02, 0.01]), axis=1)
    truth = drawn(np.exp(scores), rng)
    plain = decide(scores, exclusive=True)
    moved = decide(scores + best_offsets(scores, exclusive=True), exclusive=True)
    true = [expected_f1(decided, truth.astype(np.float64)).mean() for decided in (plain, moved)]
    assert true[1] > true[0] + 0.03
    assert true[1] == pytest.approx(expected_f1(moved, np.exp(scores)).mean(), abs=0.02)


@pytest.mark.parametrize("exclusive", [True, False])
def test_one_item_and_one_class_are_no_trouble(exclusive: bool) -> None:
    for shape in ((1, 1), (1, 3), (3, 1)):
        odds = log_softmax(np.zeros(shape), axis=1) if exclusive else np.zeros(shape)
        offsets = best_offsets(odds, exclusive=exclusive)
        assert offsets.shape == shape[1:]
        assert np.isfinite(offsets).all()
