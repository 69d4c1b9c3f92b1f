"""Nearness: what is kept does not show."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from shared.blocks import each_block
from shared.pool import Index, Pool
from tests.pools import make_pool
from workers.selection import nearness
from workers.selection.nearness import Nearness, as_cosine, rounding


def part(pool: Pool, kept: Index) -> Pool:
    """The pool before the other items came."""
    fields = ["ids", "rows", "sources", "groups", "families", "draws", "folds", "bands"]
    fields += ["rule_hits", "rule_scores", "targets", "labeled", "queued"]
    return replace(
        pool,
        item_ids=[pool.item_ids[place] for place in kept.tolist()],
        **{name: getattr(pool, name)[kept] for name in fields},
    )


def test_rounds_of_labels_and_items_give_what_a_new_process_finds() -> None:
    rng = np.random.default_rng(0)
    whole, _ = make_pool(items=3_000, dimension=48)
    kept, there, labeled = Nearness(), np.zeros(3_000, dtype=bool), {"a": [1], "b": [2], "c": [5]}
    there[rng.permutation(3_000)[:500]] = there[:10] = True
    for number in range(8):
        if number % 3 == 1:
            there[rng.permutation(3_000)[:700]] = True
        for name in labeled:
            labeled[name] = sorted({*labeled[name], *rng.permutation(np.flatnonzero(there))[:2].tolist()})
        if number == 4:
            labeled["a"] = labeled["a"][1:]  # a label that was taken back
        if number == 6:
            del labeled["b"]
        pool, place = part(whole, np.flatnonzero(there)), np.cumsum(there) - 1
        anchors = {name: place[np.array(positions)] for name, positions in labeled.items()}
        found, wanted = kept.to(pool, anchors), Nearness().to(pool, anchors)
        assert found.keys() == wanted.keys()
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("call", [1, 2])
def test_a_comparison_that_broke_off_leaves_nothing_that_shows(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = make_pool(items=2_000, dimension=48)
    kept, before, after = Nearness(), {"a": np.arange(0, 2_000, 40)}, {"a": np.arange(1, 2_000, 40)}
    kept.to(pool, before)
    calls = 0

    def no_memory(count: int, size: int, work: Callable[[slice], None]) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise MemoryError
        each_block(count, size, work)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(nearness, "each_block", no_memory)
        kept.to(pool, after)
    assert kept.to(pool, after)["a"].tolist() == Nearness().to(pool, after)["a"].tolist()


def test_how_many_items_are_compared_at_once_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = make_pool(items=2_000, dimension=48)
    anchors = {"a": np.arange(0, 2_000, 3), "b": np.arange(1, 2_000, 50)}
    wanted = Nearness().to(pool, anchors)
    sizes = []

    def noting(count: int, size: int, work: Callable[[slice], None]) -> None:
        sizes.append(size)
        each_block(count, size, work)

    monkeypatch.setattr(nearness, "each_block", noting)
    monkeypatch.setattr(nearness, "_MOST_PRODUCTS", 100 * 707)
    found = Nearness().to(pool, anchors)
    assert sizes == [100]
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("dimension", [8, 384])
def test_products_are_whole_and_as_near_to_the_cosine_as_they_say(dimension: int) -> None:
    pool, _ = make_pool(items=400, dimension=dimension)
    anchors = np.arange(0, 400, 7)
    product = Nearness().to(pool, {"a": anchors})["a"]
    everything = pool.vectors(np.arange(400)).astype(np.float64)
    cosine = (everything @ everything[anchors].T).max(axis=1)
    assert np.array_equal(product, np.rint(product))
    assert np.abs(as_cosine(product) - cosine).max() <= rounding(dimension)


def test_of_no_class_and_of_an_empty_pool_nothing_is_near() -> None:
    pool, _ = make_pool(items=10)
    assert Nearness().to(pool, {}) == {}
    nearness = Nearness()
    nearness.to(part(pool, np.arange(5)), {"a": np.array([1])})
    assert (nearness.to(pool, {"a": np.array([1])})["a"] > -(2**24)).all()
