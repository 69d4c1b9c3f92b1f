"""The floor of likely rare items: met where the pool has them, and given up before quotas and caps."""

from dataclasses import replace

import numpy as np

from shared.pool import Mask, Pool
from tests.pools import make_pool
from tests.workers.selection.test_round import choose, make_config
from workers.selection.round import Selected
from workers.selection.strategies import STRATEGIES, YARDSTICKS


def rare_items(batch: Selected) -> int:
    return sum(choice.reason.rare for choice in batch.choices)


def known_pool() -> Pool:
    """A pool whose rare class is well known."""
    return known_pool_and_truth()[0]


def known_pool_and_truth() -> tuple[Pool, Mask]:
    pool, truth = make_pool(items=1_500, shares=(0.9, 0.1), seed=5)
    labeled = np.arange(1_500) < 500
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None]), truth


def test_a_batch_holds_its_floor_of_likely_rare_items() -> None:
    pool = known_pool()
    wanted = make_config(selection={"rare_floor": 0.8, "audit_share": 0.1})
    batch = choose(pool, wanted, places=50)
    assert rare_items(batch) >= 40
    assert batch.shortfalls == ()
    free = choose(pool, make_config(selection={"rare_floor": 0.0, "audit_share": 0.1}), places=50)
    assert rare_items(free) < 40


def test_what_is_counted_is_predicted_rare_or_proposed_for_a_rare_class() -> None:
    batch = choose(known_pool(), make_config(), places=50)
    for choice in batch.choices:
        assert choice.reason.rare == ("rare" in (choice.reason.predicted, choice.reason.wanted))


def test_a_cap_holds_against_the_floor_and_the_batch_says_what_is_missed() -> None:
    config = make_config(selection={"rare_floor": 0.6}, caps={"classes": {"rare": 5}})
    batch = choose(known_pool(), config, places=50)
    assert sum(choice.reason.predicted == "rare" for choice in batch.choices) <= 5
    assert len(batch.choices) == 50
    assert any(line.startswith("floor of likely rare items: ") for line in batch.shortfalls)


def test_the_floor_gives_way_to_quotas() -> None:
    pool, truth = known_pool_and_truth()
    pool = replace(pool, sources=np.where(truth[:, 1], 0, 1), source_names=("rare", "common"))
    selection = {"rare_floor": 0.9, "audit_share": 0.0}
    batch = choose(pool, make_config(selection=selection, quotas={"sources": {"common": 1.0}}), places=40)
    assert [pool.sources[choice.position] for choice in batch.choices] == [1] * 40
    assert [line.split(":")[0] for line in batch.shortfalls] == ["floor of likely rare items"]
    free = choose(pool, make_config(selection=selection), places=40)
    assert rare_items(free) >= 36
    assert free.shortfalls == ()


def test_before_the_first_model_and_for_yardsticks_there_is_no_floor() -> None:
    config = make_config(selection={"rare_floor": 1.0, "audit_share": 0.0})
    pool, _ = make_pool(items=200)
    assert choose(pool, config).shortfalls == ()
    for strategy in sorted(YARDSTICKS & STRATEGIES.keys()):
        other = make_config(selection={"rare_floor": 0.0, "audit_share": 0.0})
        with_floor = choose(known_pool(), config, strategy=strategy)
        without = choose(known_pool(), other, strategy=strategy)
        assert {choice.id for choice in with_floor.choices} == {choice.id for choice in without.choices}
