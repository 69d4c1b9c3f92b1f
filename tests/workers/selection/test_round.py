"""A round keeps caps, never takes what is taken, gives a reason for every item, and repeats byte for byte."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.round import RoundPlan, Selected, select
from workers.selection.strategies import STRATEGIES, Division
from workers.selection.view import View
from workers.training import audit
from workers.training.tuning import train


def make_config(**changes: object) -> ProjectConfig:
    base: dict[str, object] = {"classes": ("common", "rare"), "seed": 3}
    return ProjectConfig.model_validate(base | changes)


def choose(
    pool: Pool, config: ProjectConfig, *, places: int = 20, strategy: str = "quietcorner", **plan: object
) -> Selected:
    asked = RoundPlan(number=1, places=places, encoder="e", model=1, strategy=strategy)
    return select(pool, train(pool, config), config, replace(asked, **plan))  # type: ignore[arg-type] # any field


@pytest.mark.parametrize("strategy", STRATEGIES)
class TestEveryStrategy:
    """What holds for every strategy."""

    @pytest.mark.parametrize("labeled", [0, 1, 40])
    def test_it_fills_the_batch_with_distinct_eligible_items(self, strategy: str, labeled: int) -> None:
        pool, _ = make_pool(items=200, labeled=labeled, queued=10)
        chosen = choose(pool, make_config(), strategy=strategy)
        positions = [choice.position for choice in chosen.choices]
        assert len(set(positions)) == 20
        assert set(positions) <= set(pool.eligible.tolist())
        assert chosen.shortfalls == ()

    def test_the_same_state_and_seed_give_the_same_batch(self, strategy: str) -> None:
        pool, _ = make_pool(items=300, labeled=30)
        assert choose(pool, make_config(), strategy=strategy) == choose(pool, make_config(), strategy=strategy)

    def test_every_item_carries_its_reason(self, strategy: str) -> None:
        pool, _ = make_pool(items=200, labeled=40)
        for rank, choice in enumerate(choose(pool, make_config(), strategy=strategy).choices, start=1):
            reason = choice.reason
            assert reason.rank == rank
            assert reason.predicted in pool.classes
            assert reason.probability is not None
            assert reason.model == 1
            assert reason.encoder == "e"
            assert (reason.inclusion is not None) == (reason.channel == "audit")
            assert reason.inclusion is None or 0 < reason.inclusion <= 1

    def test_an_empty_pool_gives_an_empty_batch_that_says_so(self, strategy: str) -> None:
        pool, _ = make_pool(items=30, labeled=30)
        chosen = choose(pool, make_config(), strategy=strategy)
        assert chosen.choices == ()
        assert chosen.shortfalls == ("short by 20: no eligible item is left",)


def test_source_quotas_are_met_where_the_pool_has_the_items() -> None:
    pool, _ = make_pool(items=400, labeled=40, sources=("big", "small"))
    pool = replace(pool, sources=(np.arange(400) % 20 == 0).astype(np.int64))
    config = make_config(quotas={"sources": {"small": 0.4}})
    chosen = choose(pool, config)
    assert sum(pool.sources[choice.position] for choice in chosen.choices) >= 8
    assert chosen.shortfalls == ()


def test_an_unmet_quota_is_relaxed_and_said() -> None:
    pool, _ = make_pool(items=100, labeled=10, sources=("a", "b"))
    pool = replace(pool, sources=np.zeros(100, dtype=np.int64), source_names=("a", "b"))
    config = make_config(quotas={"sources": {"b": 0.5}}, caps={"sources": {"a": 15}})
    chosen = choose(pool, config)
    assert len(chosen.choices) == 15
    assert any("cap on source 'a'" in line for line in chosen.shortfalls)


def test_what_a_cap_refuses_is_counted_by_the_item_and_only_as_much_as_there_is() -> None:
    pool, _ = make_pool(items=60, sources=("a", "b"), labeled=10)
    config = make_config(caps={"sources": {"a": 3}})
    refused = int((pool.sources[pool.eligible] == 0).sum()) - 3

    few = select(pool, None, config, RoundPlan(number=1, places=45, encoder="e", model=1))
    many = select(pool, None, config, RoundPlan(number=1, places=500, encoder="e", model=1))

    short = 45 - len(few.choices)
    assert few.shortfalls[:2] == (f"short by {short}: caps bound it", f"cap on source 'a': refused {refused} item(s)")
    assert many.shortfalls[:2] == (
        f"short by {500 - len(many.choices)}: no other eligible item is left",
        f"cap on source 'a': refused {refused} item(s)",
    )


def test_one_item_of_a_duplicate_group_at_most_and_none_whose_twin_is_labeled() -> None:
    pool, _ = make_pool(items=90, labeled=20)
    pool = replace(pool, groups=(pool.ids - 1) // 3 + 1)
    chosen = choose(pool, make_config(), places=90)
    groups = [int(pool.groups[choice.position]) for choice in chosen.choices]
    assert len(set(groups)) == len(groups)
    assert not set(groups) & set(pool.groups[pool.labeled].tolist())


def test_a_rare_class_is_found_sooner_than_by_random_choice() -> None:
    found = {}
    for strategy in ("quietcorner", "random"):
        pool, truth = make_pool(items=3_000, shares=(0.97, 0.03), seed=1)
        audit: dict[str, float] = {}
        for number in range(1, 7):
            config = make_config()
            plan = RoundPlan(number=number, places=30, encoder="e", model=number, audit=audit, strategy=strategy)
            batch = select(pool, train(pool, config), config, plan)
            audit = batch.audit
            taken = pool.labeled.copy()
            taken[[choice.position for choice in batch.choices]] = True
            pool = replace(pool, labeled=taken, targets=truth & taken[:, None])
        found[strategy] = int(pool.label_counts[1])
    assert found["quietcorner"] > 2 * found["random"]


def test_a_campaign_is_served_before_the_strategy_but_after_the_audit() -> None:
    pool, _ = make_pool(items=200, labeled=40)
    drift = pool.ids[pool.eligible[:5]].tolist()
    relabel = pool.ids[np.flatnonzero(pool.labeled)[:3]].tolist()
    chosen = choose(pool, make_config(), drift=drift, relabel=relabel)
    by_channel = Counter(choice.reason.channel for choice in chosen.choices)
    assert by_channel["relabel"] == 3
    assert by_channel["drift"] + by_channel["audit"] >= 5
    assert {choice.id for choice in chosen.choices} >= set(relabel) | set(drift)


def test_the_audit_sample_does_not_depend_on_the_model() -> None:
    pool, _ = make_pool(items=300, labeled=60)
    config = make_config(selection={"audit_share": 0.5})
    asked = RoundPlan(number=1, places=20, encoder="e", model=1)
    with_model = select(pool, train(pool, config), config, asked)
    without = select(pool, None, config, asked)
    audited = [
        {choice.item_id for choice in batch.choices if choice.reason.channel == "audit"}
        for batch in (with_model, without)
    ]
    assert audited[0] == audited[1]
    assert with_model.audit == without.audit


def test_labels_of_the_audit_sample_choose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the probabilities that the channels see nor the items whose neighbours are asked for hang on them."""
    pool, truth = make_pool(items=600, shares=(0.8, 0.2))
    config = ProjectConfig(classes=pool.classes)
    thresholds = audit.extend(pool, {}, draws=60).thresholds
    members = audit.measure(pool, thresholds).members
    labeled = members | (np.arange(600) < 200)
    pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
    model = train(pool, config)
    seen: list[View] = []

    def watched(view: View, places: int) -> Division:
        seen.append(view)
        return STRATEGIES["margin"](view, places)

    monkeypatch.setitem(STRATEGIES, "quietcorner", watched)
    other = replace(pool, targets=pool.targets ^ (members & labeled)[:, None])
    for one in (pool, other):
        select(one, model, config, RoundPlan(number=2, places=20, encoder="e", model=2, audit=thresholds))
    assert seen[0].probability is not None
    assert seen[1].probability is not None
    assert np.array_equal(seen[0].probability, seen[1].probability)
    assert np.array_equal(seen[0].sealed, members)
