"""The audit sample: random, growing, the same whatever else was labeled, with inclusion probabilities that hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pools import make_pool
from workers.training import audit


@given(
    items=st.integers(1, 150),
    draws=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    rules=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_each_extension_lets_in_just_as_many_items_as_asked_and_drops_none(
    items: int, draws: list[int], rules: bool, seed: int
) -> None:
    pool, _ = make_pool(items=items, rules=("r",) if rules else (), seed=seed)
    thresholds: dict[str, float] = {}
    members = np.zeros(items, dtype=bool)
    for count in draws:
        sample = audit.extend(pool, thresholds, draws=count)
        assert (sample.members | ~members).all()
        assert sample.members.sum() == min(items, members.sum() + count)
        assert (sample.inclusion[sample.members] > 0).all()
        thresholds, members = sample.thresholds, sample.members


@given(seed=st.integers(0, 10_000), labeled=st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_who_is_in_the_sample_does_not_depend_on_what_was_labeled(seed: int, labeled: int) -> None:
    pool, _ = make_pool(items=100, seed=seed)
    other = replace(pool, labeled=np.arange(100) < labeled, queued=np.arange(100) >= 90)
    one, two = audit.extend(pool, {}, draws=20), audit.extend(other, {}, draws=20)
    assert np.array_equal(one.members, two.members)
    assert one.thresholds == two.thresholds


def test_an_item_that_arrives_later_belongs_when_its_draw_lies_below_the_threshold() -> None:
    pool, _ = make_pool(items=200)
    first_half = slice(0, 100)
    early = replace(
        pool,
        item_ids=pool.item_ids[:100],
        **{
            name: getattr(pool, name)[first_half]
            for name in (
                "ids", "rows", "sources", "groups", "families", "draws", "folds", "bands", "rule_hits", "rule_scores",
                "targets", "labeled", "queued",
            )
        },
    )  # fmt: skip
    sample = audit.extend(early, {}, draws=30)
    late = audit.measure(pool, sample.thresholds)
    assert np.array_equal(late.members[first_half], sample.members)
    assert late.members[100:].any()


def test_hits_that_move_with_the_pool_change_nobodys_stratum() -> None:
    pool, _ = make_pool(items=200, rules=("words", "description"))
    pool = replace(pool, rule_settled=np.array([True, False]))
    moved = pool.rule_hits ^ np.array([False, True])
    assert np.array_equal(audit.stratify(pool)[1], audit.stratify(replace(pool, rule_hits=moved))[1])
    assert np.array_equal(audit.stratify(pool)[1] % 2 == 1, pool.rule_hits[:, 0])


def test_one_item_of_a_duplicate_group_at_most_is_a_member() -> None:
    pool, _ = make_pool(items=100)
    pool = replace(pool, groups=(pool.ids + 1) // 2)
    sample = audit.extend(pool, {}, draws=50)
    assert sample.members.sum() == 50
    assert len(np.unique(pool.groups[sample.members])) == 50


def test_the_label_of_a_duplicate_answers_for_a_member_that_nobody_will_be_asked_about() -> None:
    """Mean over many draws of the share of a class of which half came again, with a label, in a later file."""
    pool, _ = make_pool(items=1_000)
    rare, again = np.arange(1_000) < 200, np.arange(1_000) >= 900
    rare[again] = True
    groups = np.where(again, pool.ids - 900, pool.ids)
    truth = np.stack([~rare, rare], axis=1)
    found = []
    for seed in range(100):
        draws = np.random.default_rng(seed).random(1_000)
        twice = replace(
            pool, groups=groups, families=groups, draws=draws, labeled=again, targets=truth & again[:, None]
        )
        sample = audit.extend(twice, {}, draws=150)
        asked = np.flatnonzero(sample.members & np.isin(np.arange(1_000), twice.eligible))
        labeled = again | np.isin(np.arange(1_000), asked)
        told = replace(twice, labeled=labeled, targets=truth & labeled[:, None])
        rows = audit.answers(told, sample.thresholds)
        assert sorted(told.representative_of(rows).tolist()) == np.flatnonzero(sample.members).tolist()
        weights = audit.weigh(told, sample.thresholds, rows).weights
        found.append(np.average(rare[rows], weights=weights))
    assert abs(np.mean(found) - 200 / 900) < 4 * np.std(found) / 10


def test_of_a_duplicate_group_with_several_labels_the_members_own_counts() -> None:
    pool, _ = make_pool(items=4)
    groups = np.array([1, 1, 3, 3])
    pool = replace(pool, groups=groups, labeled=np.array([False, True, True, True]))
    assert pool.told.tolist() == [1, 2]
    assert pool.representative_of(pool.told).tolist() == [0, 2]
    assert audit.answers(pool, {"email|other": 1.0, "chat|other": 1.0}).tolist() == [1, 2]


def test_the_weighted_sample_estimates_the_share_of_a_rare_class_without_bias() -> None:
    """Mean of the Horvitz-Thompson estimate over many draws, though rule hits are drawn far more often."""
    pool, truth = make_pool(items=2_000, rules=("r",), shares=(0.95, 0.05))
    estimates = []
    for seed in range(200):
        drawn = replace(pool, draws=np.random.default_rng(seed).random(2_000))
        sample = audit.extend(drawn, {}, draws=100)
        weights = 1 / sample.inclusion[sample.members]
        estimates.append((truth[sample.members, 1] * weights).sum() / 2_000)
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - truth[:, 1].mean()) < 4 * error


def test_items_that_no_answer_stands_for_change_no_share() -> None:
    """Such as those that came after the last round, which are in no band yet."""
    inclusion, cells = np.array([0.1, 0.1, 0.5, 0.5, 0.5]), np.array([1, 1, 2, 2, 2])
    sizes = np.array([0, 900, 100])
    before = audit.post_stratify(inclusion, cells, sizes).weights
    after = audit.post_stratify(inclusion, cells, np.array([4_000, 900, 100])).weights
    assert before.tolist() == [450, 450, 100 / 3, 100 / 3, 100 / 3]
    assert after / after.sum() == pytest.approx(before / before.sum())
    assert after.sum() == pytest.approx(5_000)


def test_a_single_answer_joins_the_largest_stratum() -> None:
    """The largest, and not the one with most answers, which is full of rare items."""
    inclusion, cells = np.array([0.1, 0.1, 0.5, 0.5, 0.5, 0.5]), np.array([0, 0, 1, 2, 2, 2])
    weighed = audit.post_stratify(inclusion, cells, np.array([900, 80, 20]))
    assert weighed.strata.tolist() == [0, 0, 0, 2, 2, 2]
    assert weighed.weights.sum() == pytest.approx(1_000)
    assert weighed.weights[2] == pytest.approx(weighed.weights[0] / 5)
