"""Folds keep families together, spread classes and sources, and do not change once decided."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Index, Mask, Pool, join_groups
from tests.pools import make_pool
from workers.training.splits import assign_folds, held_out_quarter, spread

FOLDS = 5


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
    family = rng.integers(families, size=rows)
    found = spread(rng.random((rows, classes)) < 0.4, family, rng.integers(3, size=rows), count=folds, seed=seed)
    assert straddling(family, found) == []
    assert set(found.tolist()) <= set(range(folds))


def test_a_rare_class_is_in_every_fold_when_it_has_items_enough() -> None:
    targets = np.zeros((500, 2), dtype=bool)
    targets[:, 0] = True
    targets[:20] = [False, True]
    folds = spread(targets, np.arange(500), np.zeros(500, dtype=np.int64), count=5, seed=0)
    assert [int(targets[folds == fold, 1].sum()) for fold in range(5)] == [4] * 5


@given(rows=st.integers(1, 200), classes=st.integers(1, 6), folds=st.integers(2, 6), seed=st.integers(0, 1_000))
@settings(max_examples=100, deadline=None)
def test_where_nobody_has_a_family_every_class_is_even_within_one(
    rows: int, classes: int, folds: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    targets = one_hot(rng.integers(classes, size=rows), classes)
    found = spread(targets, np.arange(rows), rng.integers(3, size=rows), count=folds, seed=seed)
    assert unevenness(targets, found, folds).max() <= 1


@given(rows=st.integers(30, 300), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_sources_are_nearly_as_even_as_classes(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets, sources = one_hot(rng.integers(4, size=rows), 4), rng.integers(3, size=rows)
    found = spread(targets, np.arange(rows), sources, count=5, seed=seed)
    assert unevenness(one_hot(sources, 3), found, 5).max() <= 3  # by chance alone 30 of 100 differ by 10 and more


def test_where_an_item_has_several_classes_the_rarest_is_spread_first() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((400, 3)) < [0.6, 0.3, 0.025]
    found = spread(targets, np.arange(400), np.zeros(400, dtype=np.int64), count=5, seed=0)
    differences = unevenness(targets, found, 5)
    assert differences[2] <= 1
    assert differences.max() <= 4


def test_a_pair_that_must_stay_together_changes_the_balance_little() -> None:
    answer = np.random.default_rng(0).random(200) < 0.2
    families = np.arange(200)
    families[1] = families[0]
    found = spread(np.stack([~answer, answer], axis=1), families, np.zeros(200, dtype=np.int64), count=5, seed=0)
    assert found[0] == found[1]
    assert np.ptp(np.bincount(found[answer], minlength=5)) <= 2


def test_the_test_set_is_a_quarter_of_every_class_and_source_and_the_same_for_the_same_seed() -> None:
    rng = np.random.default_rng(0)
    targets, sources = one_hot(rng.choice(3, size=400, p=[0.8, 0.15, 0.05]), 3), rng.choice(2, size=400, p=[0.9, 0.1])
    one, two = (held_out_quarter(targets, np.arange(400), sources, seed=5) for _ in range(2))
    assert np.array_equal(one, two)
    assert np.abs(targets[one].sum(axis=0) - targets.sum(axis=0) / 4).max() < 1
    assert np.abs(np.bincount(sources[one]) - np.bincount(sources) / 4).max() <= 2


def test_items_are_one_family_when_a_chain_of_duplicates_and_groups_joins_them() -> None:
    families = join_groups(np.array([1, 1, 2, 3, 4]), ["x", None, "x", "y", None])
    assert families.tolist() == [0, 0, 0, 1, 2]


@given(bursts=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_a_fold_once_decided_stays_whatever_is_labeled_later(bursts: list[int], seed: int) -> None:
    pool, truth = make_pool(items=150, seed=seed)
    pool = replace(pool, families=np.random.default_rng(seed).integers(100, size=150))
    for labels in np.cumsum(bursts).tolist():
        before, pool = pool.folds, labeled(pool, truth, range(min(labels, 150)))
        pool = replace(pool, folds=assign_folds(pool, seed=seed))
        assert np.array_equal(pool.folds[before >= 0], before[before >= 0])
        assert (pool.folds[pool.labeled] >= 0).all()
        assert straddling(pool.families, pool.folds) == []
        assert np.array_equal(assign_folds(pool, seed=seed), pool.folds)


@given(
    first=st.integers(5, 60),
    joined=st.lists(st.tuples(st.integers(0, 149), st.integers(0, 149)), max_size=30),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=75, deadline=None)
def test_families_that_are_joined_later_share_the_fold_of_the_first_and_others_stay(
    first: int, joined: list[tuple[int, int]], seed: int
) -> None:
    pool, truth = make_pool(items=150, seed=seed)
    pool = labeled(pool, truth, np.random.default_rng(seed).permutation(150)[:first].tolist())
    pool = replace(pool, folds=assign_folds(pool, seed=seed))
    groups = pool.families.copy()
    for one, other in joined:
        groups[groups == groups[other]] = groups[one]
    later = replace(pool, families=join_groups(groups, [None] * 150))
    folds = assign_folds(later, seed=seed)
    assert straddling(later.families, folds) == []
    for family in np.unique(later.families).tolist():
        recorded = pool.folds[(later.families == family) & (pool.folds >= 0)]
        if len(recorded):
            assert set(folds[later.families == family].tolist()) == {int(recorded[0])}


@given(bursts=st.lists(st.integers(1, 40), min_size=1, max_size=6), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_every_class_is_even_within_one_however_the_labels_came(bursts: list[int], seed: int) -> None:
    pool, truth = make_pool(items=240, classes=("a", "b", "c"), shares=(0.6, 0.3, 0.1), seed=seed)
    for labels in np.cumsum(bursts).tolist():
        pool = labeled(pool, truth, range(labels))
        pool = replace(pool, folds=assign_folds(pool, seed=seed))
        assert unevenness(pool.targets[pool.labeled], pool.folds[pool.labeled], FOLDS).max() <= 1


@given(labels=st.integers(1, 60), added=st.integers(1, 60), seed=st.integers(0, 1_000))
@settings(max_examples=50, deadline=None)
def test_items_without_a_label_change_nothing(labels: int, added: int, seed: int) -> None:
    large, truth = make_pool(items=160, sources=("email", "chat", "social"), seed=seed)
    large = labeled(large, truth, range(0, labels * 2, 2))
    kept = np.ones(160, dtype=bool)
    kept[1 : 2 * added : 2] = False  # between the labeled ones, and every item of one source among them
    kept[(large.sources == 0) & ~large.labeled] = False
    small = rows_of(large, np.flatnonzero(kept))
    assert np.array_equal(assign_folds(small, seed=seed), assign_folds(large, seed=seed)[kept])
    assert (assign_folds(large, seed=seed)[~large.labeled] == -1).all()


def test_held_out_items_never_share_a_family_with_what_is_trained_on() -> None:
    pool, truth = make_pool(items=300, seed=1)
    pool = replace(pool, families=np.random.default_rng(1).integers(120, size=300))
    pool = labeled(pool, truth, range(100))
    folds = assign_folds(pool, seed=1)
    for fold in range(FOLDS):
        held_out, taught = pool.labeled & (folds == fold), pool.labeled & (folds != fold)
        assert held_out.any()
        assert not set(pool.families[held_out].tolist()) & set(pool.families[taught].tolist())


def labeled(pool: Pool, truth: Mask, positions: Sequence[int]) -> Pool:
    """The pool with the items at some positions labeled."""
    told = np.isin(np.arange(len(pool)), list(positions))
    return replace(pool, labeled=told, targets=truth & told[:, None])


def rows_of(pool: Pool, kept: Index) -> Pool:
    """The pool with some of its items only."""
    return replace(
        pool,
        item_ids=[pool.item_ids[place] for place in kept],
        **{
            name: getattr(pool, name)[kept]
            for name in ("ids", "rows", "groups", "draws", "folds", "bands", "rule_hits", "rule_scores", "targets")
        },
        sources=np.unique(pool.sources[kept], return_inverse=True)[1],
        families=join_groups(pool.families[kept], [None] * len(kept)),
        labeled=pool.labeled[kept],
        queued=pool.queued[kept],
    )


def one_hot(codes: Index, count: int) -> Mask:
    hot: Mask = codes[:, None] == np.arange(count)
    return hot


def straddling(families: Index, folds: Index) -> list[int]:
    """Families that lie in more than one fold."""
    return [family for family in np.unique(families).tolist() if len(np.unique(folds[families == family])) > 1]


def unevenness(targets: Mask, folds: Index, count: int) -> Index:
    """(n_classes,) by how many items the fullest fold differs from the emptiest."""
    items = np.stack([targets[folds == fold].sum(axis=0) for fold in range(count)])
    difference: Index = items.max(axis=0) - items.min(axis=0)
    return difference
