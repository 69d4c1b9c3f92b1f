"""Decisions that stop to change: kappa of successive models on a stop set that no model chose."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tests.pools import make_pool
from workers.selection import stability as module
from workers.selection.stability import kappa, stability, stop_set


def test_kappa_is_that_of_scikit_learn_for_each_class() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random((200, 3)) < 0.3, rng.random((200, 3)) < 0.4
    other[:, 1] = one[:, 1]
    wanted = [cohen_kappa_score(one[:, column], other[:, column]) for column in range(3)]
    assert kappa(one, other) == pytest.approx(wanted)


def test_models_that_never_speak_of_a_class_agree_on_it() -> None:
    never = np.zeros((50, 1), dtype=bool)
    assert kappa(never, never).tolist() == [1.0]
    assert kappa(never, ~never).tolist() == [0.0]


def test_only_the_newest_models_count_and_too_few_say_nothing() -> None:
    rng = np.random.default_rng(0)
    settled = rng.random((100, 2)) < 0.5
    assert stability([settled] * 3) is None
    found = stability([~settled, settled, settled, settled, settled])
    assert found is not None
    assert found.tolist() == [1.0, 1.0]
    moving = stability([~settled, settled, settled, settled])
    assert moving is not None
    assert (moving < 0.99).all()


def test_the_stop_set_is_the_part_of_the_pool_that_the_audit_sample_takes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP_SET", 30)
    pool, _ = make_pool(items=100, labeled=50)
    pool = replace(pool, groups=np.arange(100) // 2)
    chosen = stop_set(pool)
    others = np.setdiff1d(pool.representatives, chosen)
    assert len(chosen) == 30
    assert set(chosen.tolist()) <= set(pool.representatives.tolist())
    assert pool.draws[chosen].min() > pool.draws[others].max()
