"""What is rare, starved and done, from labels, probabilities and the audit sample."""

from dataclasses import replace

import numpy as np
import pytest

from shared.pool import Floats, Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection import needs
from workers.selection.needs import Need, assess
from workers.training.metrics import Interval


def config(**changes: object) -> ProjectConfig:
    return ProjectConfig.model_validate({"classes": ("common", "rare"), **changes})


def sure(truth: np.ndarray) -> Floats:
    """Probabilities of a model that knows the answers."""
    return np.where(truth, 0.999, 0.001).astype(np.float32)


def share(value: float) -> Interval:
    return Interval(value, value / 2, value)


def rare_need(needs: tuple[Need, ...]) -> Need:
    return needs[1]


def test_a_class_is_rare_by_its_share_of_the_pool_however_many_labels_it_has() -> None:
    pool, truth = make_pool(items=1_000, labeled=0, shares=(0.9, 0.1))
    pool = replace(pool, labeled=truth[:, 1].copy(), targets=truth & truth[:, [1]])
    need = rare_need(assess(pool, config(), np.tile(np.array([0.9, 0.1], dtype=np.float32), (1_000, 1)), None))
    assert need.rare
    assert not need.starved


def test_a_class_that_is_rare_among_the_labels_too_is_starved() -> None:
    pool, truth = make_pool(items=1_000, labeled=100, shares=(0.95, 0.05))
    need = rare_need(assess(pool, config(), sure(truth), None))
    assert need.rare
    assert need.starved
    assert need.left == pytest.approx(truth[pool.eligible, 1].sum(), abs=1.0)


@pytest.mark.parametrize("block", [1, 7, 1_000])
def test_what_is_expected_is_added_up_over_all_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_BLOCK", block)
    pool, truth = make_pool(items=300, labeled=50, shares=(0.9, 0.1))
    found = assess(pool, config(), sure(truth), None)
    wanted = sure(truth)[pool.eligible].sum(axis=0, dtype=np.float64)
    assert [need.left for need in found] == pytest.approx(wanted.tolist(), rel=1e-5)  # single precision in a block
    assert rare_need(found).rare


def test_a_common_class_is_neither() -> None:
    pool, truth = make_pool(items=1_000, labeled=100, shares=(0.6, 0.4))
    assert not any(need.rare or need.starved or need.done for need in assess(pool, config(), sure(truth), None))


@pytest.mark.parametrize(("target", "rare"), [(10_000, True), (1, False)])
def test_a_target_decides_until_it_is_met(target: int, rare: bool) -> None:
    pool, truth = make_pool(items=500, labeled=200, shares=(0.5, 0.5))
    assert rare_need(assess(pool, config(targets={"rare": target}), sure(truth), None)).rare == rare


def test_before_the_first_model_labels_tell_what_is_rare_and_nothing_is_expected() -> None:
    pool, _ = make_pool(items=500, labeled=100, shares=(0.95, 0.05))
    need = rare_need(assess(pool, config(), None, None))
    assert need.rare
    assert np.isnan(need.left)


def all_rare_found(found: float) -> tuple[Pool, np.ndarray]:
    pool, truth = make_pool(items=1_000, shares=(0.9, 0.1))
    places = np.flatnonzero(truth[:, 1])
    labeled = np.zeros(1_000, dtype=bool)
    labeled[places[: round(found * len(places))]] = True
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None]), truth


def test_a_class_is_done_when_audit_and_model_agree_that_nearly_all_is_found() -> None:
    pool, truth = all_rare_found(1.0)
    need = rare_need(assess(pool, config(), sure(truth), [share(0.9), share(truth[:, 1].mean())]))
    assert need.done
    assert not need.rare


@pytest.mark.parametrize(
    ("found", "most"),
    [(0.8, 1.0), (1.0, 1.3)],
    ids=["a fifth is still to be found", "the audit sample allows for a third more"],
)
def test_a_class_is_not_done_while_either_witness_doubts(found: float, most: float) -> None:
    pool, truth = all_rare_found(found)
    need = rare_need(assess(pool, config(), sure(truth), [share(0.9), share(most * truth[:, 1].mean())]))
    assert not need.done
    assert need.rare


def test_without_enough_of_an_audit_sample_nothing_is_done() -> None:
    pool, truth = all_rare_found(1.0)
    assert not rare_need(assess(pool, config(), sure(truth), None)).done


def test_what_errors_cost_is_what_a_class_is_sought_by() -> None:
    pool, _ = make_pool(items=40, labeled=10)
    dear = assess(pool, config(error_costs={"rare": {"common": 8.0}}), None, None)
    free = assess(pool, config(error_costs={"rare": {"common": 0.0}}), None, None)
    assert [need.cost for need in dear] == [1.0, 8.0]
    assert 0 < free[1].cost < 0.01
    assert [need.cost for need in assess(pool, config(costs={"common": 2.0}), None, None)] == [2.0, 1.0]
