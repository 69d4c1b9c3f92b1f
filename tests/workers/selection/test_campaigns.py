"""What of campaigns comes into a batch: never too much, nothing twice, and caps and quotas hold all the same."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.campaigns import Running
from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.campaigns import Served, most_places, serve
from workers.selection.round import RoundPlan, Selected, select
from workers.training import windows
from workers.training.tuning import train

ITEMS = st.lists(st.integers(1, 130), max_size=25, unique=True)


@st.composite
def campaigns(draw: st.DrawFn) -> list[Running]:
    """Some with items that are labeled, queued, not there, or another's too."""
    return [
        Running(
            id=number,
            left={"drift": draw(ITEMS), "relabel": draw(ITEMS), "audit": draw(ITEMS)},
            places=draw(st.integers(0, 30)),
            audit={windows.key(draw(st.integers(1, 100)), 120): draw(st.floats(0.01, 1.0))},
            new=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 3)))
    ]


@settings(max_examples=60, deadline=None)
@given(campaigns(), st.integers(1, 40), st.integers(0, 100))
def test_each_item_is_served_once_within_all_limits(running: list[Running], most: int, seed: int) -> None:
    pool, _ = make_pool(items=120, labeled=40, queued=20, seed=seed)
    served = serve(running, pool, most=most)
    items = [item for of_kind in served.items.values() for item in of_kind]
    assert len(items) == len(set(items)) == served.places <= most
    assert sorted(items) == sorted(item for of_campaign in served.campaigns.values() for item in of_campaign)
    for campaign in running:
        own = served.campaigns.get(campaign.id, frozenset())
        assert len(own) <= campaign.places
        assert own <= {item for of_kind in campaign.left.values() for item in of_kind}
    eligible, again = set(pool.ids[pool.eligible].tolist()), set(pool.ids[pool.labeled & ~pool.queued].tolist())
    assert {*served.items["drift"], *served.items["audit"]} <= eligible
    assert set(served.items["relabel"]) <= again


@settings(max_examples=12, deadline=None)
@given(campaigns(), st.integers(0, 100), st.integers(0, 6), st.integers(0, 6))
def test_caps_hold_in_a_batch_with_campaigns(running: list[Running], seed: int, on_source: int, on_class: int) -> None:
    pool, _ = make_pool(items=120, labeled=40, queued=20, seed=seed)
    config = ProjectConfig.model_validate(
        {
            "classes": pool.classes,
            "selection": {"batch_size": 10},
            "caps": {"sources": {"chat": on_source}, "classes": {"rare": on_class}},
        }
    )
    served = serve(running, pool, most=10)
    batch = _batch(pool, config, served)
    assert len({choice.id for choice in batch.choices}) == len(batch.choices) <= 10 + served.places
    sources = Counter(pool.source_names[pool.sources[choice.position]] for choice in batch.choices)
    predicted = Counter(choice.reason.predicted for choice in batch.choices)
    assert sources["chat"] <= on_source
    assert predicted["rare"] <= on_class
    assert batch == _batch(pool, config, served)


def test_the_quotas_are_those_of_the_places_beside_a_campaign() -> None:
    pool, _ = make_pool(items=300, labeled=40)
    chat = np.flatnonzero(pool.sources[pool.eligible] == pool.source_names.index("chat"))
    wanted = pool.ids[pool.eligible[chat[:10]]].tolist()
    config = ProjectConfig.model_validate(
        {
            "classes": pool.classes,
            "selection": {"batch_size": 10, "audit_share": 0.0},
            "quotas": {"sources": {"email": 0.8, "chat": 0.2}},
        }
    )
    served = serve([Running(1, {"drift": wanted}, 10, {}, new=True)], pool, most=10)
    batch = _batch(pool, config, served)
    sources = Counter(pool.source_names[pool.sources[choice.position]] for choice in batch.choices)
    assert {choice.id for choice in batch.choices} >= set(wanted)
    assert sources["email"] >= 8
    assert batch.shortfalls == ()


def test_what_a_campaign_drew_by_chance_is_of_the_audit_sample_with_its_probability_on_record() -> None:
    pool, _ = make_pool(items=300, labeled=60)
    stretch = pool.eligible[pool.ids[pool.eligible] > 200]
    name = windows.key(201, 300)
    threshold, drawn = windows.draw(name, pool.draws[stretch], pool.ids[stretch], count=8)
    config = ProjectConfig.model_validate({"classes": pool.classes, "selection": {"batch_size": 20}})
    running = Running(1, {"audit": drawn.tolist()}, 8, threshold, new=True)
    batch = _batch(pool, config, serve([running], pool, most=10))
    by_id = {choice.id: choice.reason for choice in batch.choices}
    assert all(by_id[item].channel == "audit" for item in drawn.tolist())
    assert all(by_id[item].inclusion == threshold[name] for item in drawn.tolist())
    assert batch.audit[name] == threshold[name]


def test_the_oldest_campaign_comes_first_and_its_kinds_in_proportion() -> None:
    pool, _ = make_pool(items=120, labeled=40)
    new, again = pool.ids[pool.eligible].tolist(), pool.ids[pool.labeled].tolist()
    running = [
        Running(1, {"drift": new[:12], "relabel": again[:4]}, 16, {}, new=False),
        Running(2, {"drift": new[12:20]}, 8, {}, new=True),
    ]
    first = serve(running, pool, most=8)
    assert {kind: len(items) for kind, items in first.items.items()} == {"drift": 6, "relabel": 2, "audit": 0}
    assert list(first.campaigns) == [1]
    assert list(serve(running, pool, most=20).campaigns) == [1, 2]


def test_campaigns_get_their_share_of_all_places() -> None:
    assert [most_places(50, share) for share in (0.1, 0.5, 0.9)] == [5, 50, 450]
    assert most_places(1, 0.1) == 1


def _batch(pool: Pool, config: ProjectConfig, served: Served) -> Selected:
    plan = RoundPlan(number=1, places=config.selection.batch_size + served.places, encoder="e", model=1)
    asked = replace(
        plan,
        audit=served.audit,
        drift=served.items["drift"],
        relabel=served.items["relabel"],
        drawn=served.items["audit"],
    )
    return select(pool, train(pool, config), config, asked)
