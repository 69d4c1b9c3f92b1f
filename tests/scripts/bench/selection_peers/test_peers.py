from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from scripts.bench.selection_peers.registry import PEERS, join_peers
from shared.project import Caps, ProjectConfig, Selection, Task
from tests.pools import make_pool
from tests.scripts.bench.selection_peers.views import THREE, make_view
from workers.selection.round import RoundPlan, Selected, select, train
from workers.selection.strategies import STRATEGIES

_all = pytest.mark.parametrize("name", sorted(PEERS))


@pytest.fixture
def joined() -> Iterator[None]:
    before = dict(STRATEGIES)
    join_peers()
    yield
    STRATEGIES.clear()
    STRATEGIES.update(before)


@_all
@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
@pytest.mark.parametrize("count", [1, 20, 255])
def test_it_chooses_so_many_distinct_eligible_items(name: str, task: Task, count: int) -> None:
    view = make_view(task=task, queued=5)
    chosen = PEERS[name].choose(view, count)

    assert len(view.pool.eligible) == 255
    assert len(set(chosen.tolist())) == count == len(chosen)
    assert set(chosen.tolist()) <= set(view.pool.eligible.tolist())


@_all
def test_it_chooses_one_of_a_duplicate_group_and_none_whose_duplicate_is_labeled(name: str) -> None:
    view = make_view(items=120, labeled=30)
    groups = view.pool.groups.copy()
    groups[1::2] = groups[::2]
    pool = replace(view.pool, groups=groups)
    chosen = PEERS[name].choose(replace(view, pool=pool), len(pool.eligible))

    assert len(set(groups[chosen].tolist())) == len(chosen)
    assert not set(groups[chosen].tolist()) & set(groups[pool.labeled].tolist())


@_all
def test_equal_seeds_choose_equal_items_and_nothing_is_changed(name: str) -> None:
    view, again = make_view(), make_view()
    first, second = (PEERS[name].choose(seen, 30).tolist() for seen in (view, again))

    assert first == second
    assert view.probability is not None
    assert again.probability is not None
    np.testing.assert_array_equal(view.probability, make_view().probability)
    np.testing.assert_array_equal(view.pool.matrix, make_view().pool.matrix)


@_all
def test_what_it_keeps_of_one_pool_does_not_leak_into_another(name: str) -> None:
    alone = PEERS[name].choose(make_view(seed=3), 20).tolist()
    PEERS[name].choose(make_view(items=400, labeled=50, seed=4), 20)

    assert PEERS[name].choose(make_view(seed=3), 20).tolist() == alone


@_all
@pytest.mark.parametrize("classes", [2, 40])
def test_two_classes_or_many_of_which_some_have_no_label(name: str, classes: int) -> None:
    names = tuple(f"class-{number}" for number in range(classes))
    view = make_view(items=500, labeled=60, classes=names, shares=np.full(classes, 1 / classes))

    assert len(set(PEERS[name].choose(view, 50).tolist())) == 50


@_all
def test_items_that_are_all_the_same_are_chosen_all_the_same(name: str) -> None:
    view = make_view(items=60, labeled=20)
    pool = replace(view.pool, matrix=np.repeat(view.pool.matrix[:1], 60, axis=0))
    probability = np.full((60, 3), 1 / 3, dtype=np.float32)

    assert len(set(PEERS[name].choose(replace(view, pool=pool, probability=probability), 40).tolist())) == 40


@_all
@pytest.mark.usefixtures("joined")
def test_a_round_of_the_product_fills_its_batch_with_it_and_keeps_the_caps(name: str) -> None:
    free, capped = _batch(name, Caps()), _batch(name, Caps.model_validate({"classes": {"common": 4}}))

    assert len(free.choices) == len(capped.choices) == 20
    assert not free.shortfalls
    assert Counter(choice.reason.predicted for choice in capped.choices)["common"] <= 4


@_all
@pytest.mark.usefixtures("joined")
def test_before_the_first_model_it_begins_with_the_same_random_items_as_the_others(name: str) -> None:
    begins = {strategy: _ids(_batch(strategy, Caps(), labeled=0)) for strategy in (name, "random")}

    assert len(begins[name]) == 20
    assert (begins[name] == begins["random"]) == PEERS[name].needs_model


def _batch(strategy: str, caps: Caps, labeled: int = 60) -> Selected:
    pool, _ = make_pool(items=300, labeled=labeled, seed=2, **THREE)  # type: ignore[arg-type]
    config = ProjectConfig(classes=pool.classes, selection=Selection(batch_size=20), caps=caps)
    plan = RoundPlan(number=1, places=20, encoder="made-up", model=1, strategy=strategy)
    return select(pool, train(pool, config), config, plan)


def _ids(selected: Selected) -> list[str]:
    return [choice.item_id for choice in selected.choices]
