"""Rehearsals: the first wave is the next round's batch, later ones never choose what an earlier one has."""

from dataclasses import replace

import numpy as np

from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.knowledge import know
from workers.selection.rehearsal import Rehearsed, Stage, _imagine, rehearse
from workers.selection.round import RoundPlan, select
from workers.training.tuning import train

START = Stage(round=0, model=0, audit={}, encoder="e")


def make_config(**changes: object) -> ProjectConfig:
    base = {"classes": ("common", "rare"), "rules": [{"name": "r", "class": "rare", "keywords": ["x"]}]}
    return ProjectConfig.model_validate(base | changes)


def run(pool: Pool, config: ProjectConfig, waves: list[int], stage: Stage = START) -> list[Rehearsed]:
    knowledge = know(pool, config, probability=None, held_out=None, thresholds=stage.audit, guesses={})
    return list(rehearse(pool, train(pool, config), config, knowledge, stage=stage, waves=waves))


def test_the_first_wave_is_the_batch_that_the_next_round_chooses() -> None:
    for labeled in (0, 60):
        pool, _ = make_pool(items=400, rules=("r",), labeled=labeled)
        config = make_config()
        stage = Stage(round=3, model=2, audit={"email|other": 0.1}, encoder="e")
        plan = RoundPlan(number=4, places=50, encoder="e", model=3, audit=stage.audit)

        assert run(pool, config, [50, 50], stage)[0].selected == select(pool, train(pool, config), config, plan)


def test_no_wave_chooses_what_another_has() -> None:
    pool, _ = make_pool(items=400, rules=("r",))
    waves = run(pool, make_config(), [100, 80, 60])
    together = np.concatenate([wave.positions for wave in waves])

    assert [len(wave.positions) for wave in waves] == [100, 80, 60]
    assert len(set(together.tolist())) == 240


def test_a_pool_that_is_used_up_gives_short_waves_that_say_so() -> None:
    pool, _ = make_pool(items=120, rules=("r",))
    waves = run(pool, make_config(), [100, 80, 60])

    assert [len(wave.positions) for wave in waves] == [100, 20, 0]
    assert waves[1].selected.shortfalls[0] == "short by 60: no eligible item is left"


def test_after_a_wave_without_a_model_the_next_has_one() -> None:
    pool, _ = make_pool(items=400, rules=("r",))
    first, second = run(pool, make_config(), [60, 60])

    assert {choice.reason.model for choice in first.selected.choices} == {None}
    assert {choice.reason.model for choice in second.selected.choices} == {2}


def test_audit_items_add_up_over_the_waves() -> None:
    pool, _ = make_pool(items=1_000)
    first, second = run(pool, make_config(rules=[], selection={"audit_share": 0.2}), [100, 100])

    assert first.audit_items >= 20
    assert second.audit_items >= first.audit_items + 15


def test_nothing_of_the_pool_that_was_given_changes() -> None:
    pool, _ = make_pool(items=300, rules=("r",), labeled=20)
    before = replace(pool, labeled=pool.labeled.copy(), targets=pool.targets.copy())
    run(pool, make_config(), [50, 50])

    assert (pool.labeled == before.labeled).all()
    assert (pool.targets == before.targets).all()


def test_imagined_labels_follow_what_is_known() -> None:
    pool, _ = make_pool(items=2_000, rules=("r",), sources=("a",))
    pool = replace(pool, rule_hits=(np.arange(2_000) < 1_000)[:, None])
    for task in ("single", "multi"):
        config = make_config(task=task)
        knowledge = know(pool, config, probability=None, held_out=None, thresholds={}, guesses={"rare": 0.1})
        selected = select(pool, None, config, RoundPlan(number=1, places=1_000, encoder="e", model=1))
        chosen = np.array([choice.position for choice in selected.choices])
        imagined = _imagine(pool, None, config, knowledge, selected, np.random.default_rng(0))
        hit = np.isin(np.arange(2_000), chosen) & pool.rule_hits[:, 0]
        other = np.isin(np.arange(2_000), chosen) & ~pool.rule_hits[:, 0]

        assert (np.flatnonzero(imagined.labeled) == np.sort(chosen)).all()
        assert 0.25 < imagined.targets[hit, 1].mean() < 0.65
        assert 0.05 < imagined.targets[other, 1].mean() < 0.16
        if task == "single":
            assert (imagined.targets[chosen].sum(axis=1) == 1).all()
