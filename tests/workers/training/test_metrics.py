"""Metrics agree with scikit-learn where it has them, and intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from workers.training.metrics import average_precisions, evaluate


def made_up(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=rows)
    score = rng.dirichlet(np.ones(3), size=rows).astype(np.float32)
    score[np.arange(rows), truth] += 0.5
    return np.arange(3) == truth[:, None], np.arange(3) == score.argmax(axis=1)[:, None], score


def test_rates_equal_those_of_scikit_learn_with_and_without_weights() -> None:
    targets, predicted, score = made_up(300, 0)
    for weights in (None, np.random.default_rng(1).random(300)):
        found = evaluate(targets, predicted, score, classes=("a", "b", "c"), weights=weights)
        expected = f1_score(targets.argmax(1), predicted.argmax(1), average="macro", sample_weight=weights)
        assert found.macro_f1 == pytest.approx(expected)
        area = average_precision_score(targets[:, 1], score[:, 1], sample_weight=weights)
        assert found.per_class["b"].pr_auc == pytest.approx(area)


def test_a_class_that_does_not_occur_is_left_out_of_the_mean() -> None:
    targets, predicted, score = made_up(100, 0)
    wide = np.column_stack([targets, np.zeros(100, dtype=bool)])
    found = evaluate(
        wide,
        np.column_stack([predicted, np.zeros(100, dtype=bool)]),
        np.column_stack([score, np.zeros(100, dtype=np.float32)]),
        classes=("a", "b", "c", "never"),
    )
    assert found.macro_f1 == pytest.approx(evaluate(targets, predicted, score, classes=("a", "b", "c")).macro_f1)
    assert found.per_class["never"].pr_auc is None


@given(st.integers(0, 10_000), st.booleans())
def test_average_precision_is_that_of_scikit_learn(seed: int, tied: bool) -> None:
    rng = np.random.default_rng(seed)
    targets, weight = rng.random((60, 4)) < [0.5, 0.1, 0.02, 0.0], 1 - 0.9 * rng.random(60)
    scores = rng.random((60, 4), dtype=np.float32)
    probability = np.round(scores, 1) if tied else scores
    expected = [
        average_precision_score(targets[:, column], probability[:, column], sample_weight=weight)
        if targets[:, column].any()
        else 0.0
        for column in range(4)
    ]
    assert average_precisions(targets, probability, weight) == pytest.approx(expected)


def test_average_precision_of_a_few_items_that_stand_for_many_is_near_that_of_all() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((20_000, 1)) < 0.05
    score = (rng.normal(size=(20_000, 1)) + 1.2 * targets).astype(np.float32)
    (true,) = average_precisions(targets, score, np.ones(20_000))
    drawn = [rng.choice(20_000, 200, replace=False) for _ in range(300)]
    found = np.mean([average_precisions(targets[rows], score[rows], np.full(200, 100.0)) for rows in drawn])
    as_if_all_lay_above = np.mean([average_precisions(targets[rows], score[rows], np.ones(200)) for rows in drawn])
    assert found == pytest.approx(true, abs=0.02)
    assert as_if_all_lay_above > true + 0.04
