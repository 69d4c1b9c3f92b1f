"""Bands of the audit sample: who scores never saw an audit label, bands stay, and rare classes are measured better."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.training import audit, bands, tuning
from workers.training.audit import AuditSample
from workers.training.bands import Banded, Scorer
from workers.training.intervals import Design
from workers.training.splits import assign_folds


def rare_pool(*, items: int = 3_000, labeled: int = 0, seed: int = 0, share: float = 0.04) -> tuple[Pool, Mask]:
    return make_pool(items=items, shares=(1 - share, share), dimension=8, labeled=labeled, seed=seed)


def config_of(pool: Pool) -> ProjectConfig:
    return ProjectConfig(classes=pool.classes)


def label(pool: Pool, truth: Mask, rows: Index) -> Pool:
    is_labeled = pool.labeled.copy()
    is_labeled[rows] = True
    return replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None])


def divided(pool: Pool, sample: AuditSample | None = None, scorers: Sequence[Scorer] = ()) -> Banded:
    return bands.divide(pool, config_of(pool), audit.sealed(pool, sample.thresholds if sample else {}), scorers)


def test_bands_weigh_alike_and_the_likely_ones_are_small_and_rich() -> None:
    pool, truth = rare_pool(items=8_000)
    rich = np.flatnonzero(truth[:, 1])[:60]
    found = divided(label(pool, truth, np.union1d(np.arange(400), rich)))
    band = bands.band(found.pool.bands, 1)
    sizes = np.bincount(band, minlength=bands.COUNT)
    share = np.bincount(band, weights=truth[:, 1], minlength=bands.COUNT) / sizes
    assert found.fresh is not None
    assert (sizes > 0).all()
    assert sizes[0] > 5 * sizes[-1]
    assert share[-1] > 20 * share[0]


def test_there_is_no_scorer_before_there_are_labels_enough() -> None:
    pool, truth = rare_pool()
    few = label(pool, truth, np.arange(149))
    common = label(pool, truth, np.flatnonzero(truth[:, 0])[:300])
    for unfit in (pool, few, common):
        found = divided(unfit)
        assert found.fresh is None
        assert not found.changed.any()


def test_the_scorer_learns_nothing_from_an_audit_item_or_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, truth = rare_pool(share=0.2)
    pool = replace(pool, families=np.arange(len(pool)) // 2)
    sample = audit.extend(pool, {}, draws=200)
    pool = label(pool, truth, np.union1d(np.flatnonzero(sample.members), np.arange(600)))
    taught: list[Index] = []

    def watched(pool: Pool, rows: Index, config: ProjectConfig) -> object:
        taught.append(rows)
        return tuning.train_on(pool, rows, config)

    monkeypatch.setattr(bands, "train_on", watched)
    assert divided(pool, sample).fresh is not None
    (rows,) = taught
    assert not np.isin(pool.families[rows], pool.families[sample.members]).any()
    assert len(rows) > 300


def test_bands_stay_until_there_are_twice_as_many_labels_and_new_items_get_theirs() -> None:
    pool, truth = rare_pool(share=0.2)
    first = divided(label(pool, truth, np.arange(200)))
    more = label(first.pool, truth, np.arange(390))
    unseen = np.arange(len(pool)) >= 2_900
    early = replace(more, bands=np.where(unseen, -1, more.bands))
    later = divided(early, scorers=first.scorers)
    assert later.fresh is None
    assert np.array_equal(later.pool.bands, first.pool.bands)
    assert np.array_equal(later.changed, unseen)
    doubled = divided(label(first.pool, truth, np.arange(400)), scorers=first.scorers)
    assert doubled.fresh is not None
    assert doubled.fresh.phase == 2
    assert np.array_equal(bands.band(doubled.pool.bands, 1), bands.band(first.pool.bands, 1))
    assert bands.phases(doubled.pool.bands) == 2


def test_a_stored_scorer_gives_the_same_bands() -> None:
    pool, truth = rare_pool(share=0.2)
    found = divided(label(pool, truth, np.arange(300)))
    read = [bands.load(bands.dump(scorer)) for scorer in found.scorers]
    again = divided(label(pool, truth, np.arange(300)), scorers=read)
    assert np.array_equal(again.pool.bands, found.pool.bands)


@given(
    draws=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 200)), min_size=1, max_size=5),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=25, deadline=None)
def test_nobody_leaves_the_sample_and_inclusion_only_grows(draws: list[tuple[int, int]], seed: int) -> None:
    pool, truth = rare_pool(items=900, share=0.2, seed=seed)
    scorers: Sequence[Scorer] = ()
    sample = audit.measure(pool, {})
    for count, labels in draws:
        found = divided(pool, sample, scorers)
        before, pool, scorers = sample, found.pool, found.scorers
        sample = audit.extend(pool, before.thresholds, draws=count)
        assert (sample.members | ~before.members).all()
        assert (sample.inclusion >= before.inclusion).all()
        assert np.array_equal(sample.members, (pool.draws < sample.inclusion))
        asked = sample.members & ~before.members & ~(pool.labeled | pool.queued)
        if bands.phases(pool.bands):
            assert asked.sum() == min(count, (~(before.members | pool.labeled | pool.queued)).sum())
        else:
            assert (sample.members & ~before.members).sum() == min(count, (~before.members).sum())
        chosen = np.flatnonzero(~pool.labeled)[:labels]
        pool = label(pool, truth, np.union1d(chosen, np.flatnonzero(sample.members)))


def test_weights_add_up_to_the_pool_and_the_share_of_a_rare_class_is_unbiased() -> None:
    shares, by_chance, banded_positives = [], [], []
    for seed in range(30):
        pool, truth = rare_pool(items=4_000, share=0.03, seed=seed)
        sample = audit.extend(pool, {}, draws=40)
        likely = np.flatnonzero(truth[:, 1])[:25]  # a model chose some of them
        pool = label(pool, truth, np.concatenate([np.flatnonzero(sample.members), np.arange(180), likely]))
        found = divided(pool, sample)
        assert found.fresh is not None
        sample = audit.extend(found.pool, sample.thresholds, draws=100)
        rows = np.flatnonzero(sample.members)
        pool = label(found.pool, truth, rows)
        weighed = audit.weigh(pool, sample.thresholds, rows)
        assert weighed.weights.sum() == pytest.approx(len(pool))
        assert (weighed.weights >= 0.5).all()
        design = Design(weighed.weights, weighed.strata, rows)
        shares.append((design.shares(truth[rows]) or [])[1].value / truth[:, 1].mean())
        banded_positives.append(truth[rows, 1].sum())
        by_chance.append(len(rows) * truth[:, 1].mean())
    assert np.mean(shares) == pytest.approx(1, abs=0.12)
    assert np.mean(banded_positives) > 2 * np.mean(by_chance)


def test_a_band_that_is_labeled_as_a_whole_joins_at_no_cost() -> None:
    pool, truth = rare_pool(share=0.1)
    found = divided(label(pool, truth, np.arange(300)))
    top = bands.band(found.pool.bands, 1) == bands.COUNT - 1
    pool = label(found.pool, truth, np.flatnonzero(top))
    sample = audit.extend(pool, {}, draws=40)
    asked = sample.members & ~pool.labeled
    assert asked.sum() == 40
    assert (sample.members & top).sum() == pytest.approx(top.sum() / 2, rel=0.3)


def test_folds_do_not_depend_on_bands() -> None:
    pool, truth = rare_pool(share=0.2)
    pool = label(pool, truth, np.arange(300))
    assert np.array_equal(assign_folds(divided(pool).pool, seed=0), assign_folds(pool, seed=0))
