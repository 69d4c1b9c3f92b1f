"""Splits keep families together and spread classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import join_groups
from workers.training.splits import held_out_quarter, make_folds


@given(
    rows=st.integers(1, 80),
    classes=st.integers(1, 5),
    families=st.integers(1, 80),
    folds=st.integers(2, 6),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=150, deadline=None)
def test_a_family_is_never_divided(rows: int, classes: int, families: int, folds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.random((rows, classes)) < 0.4
    family = rng.integers(families, size=rows)
    found = make_folds(targets, family, count=folds, seed=seed)
    for number in np.unique(family):
        assert len(np.unique(found.of[family == number])) == 1
    assert found.of.max() < found.count


def test_a_rare_class_is_in_every_fold_when_it_has_items_enough() -> None:
    targets = np.zeros((500, 2), dtype=bool)
    targets[:, 0] = True
    targets[:20] = [False, True]
    folds = make_folds(targets, np.arange(500), count=5, seed=0)
    assert [int(targets[folds.of == fold, 1].sum()) for fold in range(5)] == [4] * 5


@given(rows=st.integers(10, 200), classes=st.integers(1, 6), folds=st.integers(2, 6), seed=st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_where_nobody_has_a_family_folds_are_even_in_size_and_in_classes(
    rows: int, classes: int, folds: int, seed: int
) -> None:
    answer = np.random.default_rng(seed).integers(classes, size=rows)
    found = make_folds(np.arange(classes) == answer[:, None], np.arange(rows), count=folds, seed=seed)
    assert found.count == folds
    sizes = np.bincount(found.of, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    if np.bincount(answer).max() >= folds:
        of_each = np.stack([np.bincount(found.of[answer == code], minlength=folds) for code in range(classes)])
        assert (of_each.max(axis=1) - of_each.min(axis=1)).max() <= 1


def test_a_pair_that_must_stay_together_changes_the_balance_little() -> None:
    answer = np.random.default_rng(0).random(200) < 0.2
    families = np.arange(200)
    families[1] = families[0]
    found = make_folds(np.stack([~answer, answer], axis=1), families, count=5, seed=0)
    assert found.of[0] == found.of[1]
    assert np.ptp(np.bincount(found.of[answer], minlength=5)) <= 2


@pytest.mark.filterwarnings("error")
def test_nothing_is_warned_of() -> None:
    few = np.eye(20, dtype=bool)
    for families in (np.arange(20), np.arange(20) % 10):
        make_folds(few, families, count=5, seed=0)
        make_folds(few[:, :2], families, count=5, seed=0)


def test_the_test_set_is_about_a_quarter_and_the_same_for_the_same_seed() -> None:
    targets = np.random.default_rng(0).random((400, 3)) < 0.3
    one, two = (held_out_quarter(targets, np.arange(400), seed=5) for _ in range(2))
    assert np.array_equal(one, two)
    assert 80 <= one.sum() <= 120


def test_items_are_one_family_when_a_chain_of_duplicates_and_groups_joins_them() -> None:
    families = join_groups(np.array([1, 1, 2, 3, 4]), ["x", None, "x", "y", None])
    assert families.tolist() == [0, 0, 0, 1, 2]
