from dataclasses import replace

import numpy as np
import pytest

from scripts.bench.selection_peers.decision_margin import decision_margin
from scripts.bench.selection_peers.registry import PEERS
from scripts.bench.selection_peers.scores import doubt, highest
from shared.project import Task
from tests.scripts.bench.selection_peers.views import make_view

_all = pytest.mark.parametrize("name", sorted(PEERS))


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


@pytest.mark.parametrize("task", [Task.SINGLE, Task.MULTI])
def test_margins_at_the_decision_are_plain_margins_where_probabilities_decide(task: Task) -> None:
    view = make_view(task=task)
    doubts = doubt(view, view.pool.eligible)
    expected = view.pool.eligible[highest(doubts, 20)]

    assert set(decision_margin(view, 20).tolist()) == set(expected.tolist())
