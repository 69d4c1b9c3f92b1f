"""Plans: quotas, waves and expectations of a budget, from the first item on."""

from dataclasses import replace

import numpy as np
import pytest

from shared.errors import InvalidInputError
from shared.pool import Pool
from shared.project import ProjectConfig
from tests.pools import make_pool
from workers.selection.plans import LabelingPlan, check_request, make_plan
from workers.selection.rehearsal import Stage
from workers.training import audit
from workers.training.tuning import train

SOURCES = ("big", "mid", "small")
START = Stage(round=0, model=0, audit={}, encoder="e")


def make_config(**changes: object) -> ProjectConfig:
    base = {"classes": ("common", "rare"), "rules": [{"name": "r", "class": "rare", "keywords": ["x"]}]}
    return ProjectConfig.model_validate(base | changes)


def make_sourced(**options: object) -> Pool:
    """1,000 items: 600 from `big`, 300 from `mid`, 100 from `small`."""
    pool, _ = make_pool(items=1_000, rules=("r",), sources=SOURCES, **options)  # type: ignore[arg-type]
    return replace(pool, sources=np.repeat([0, 1, 2], [600, 300, 100]))


def plan(
    pool: Pool, config: ProjectConfig, *, waves: tuple[int, ...] = (100, 100), budget: int = 200, stage: Stage = START
) -> LabelingPlan:
    model = train(pool, config)
    return make_plan(pool, model, config, stage=stage, budget=budget, waves=waves, guesses={"rare": 0.1})


def test_half_of_a_wave_is_kept_for_sources_by_the_square_root_of_their_size() -> None:
    made = plan(make_sourced(), make_config())

    assert made.proposed
    assert not made.measured_by_source
    assert made.waves[0].quotas == {"big": 23, "mid": 17, "small": 10}
    for wave in made.waves:
        assert all(wave.sources[name] >= wave.quotas[name] for name in SOURCES)
        assert wave.chosen == wave.places == sum(wave.sources.values()) == sum(wave.channels.values()) == 100


def test_the_quotas_of_a_project_stand() -> None:
    made = plan(make_sourced(), make_config(quotas={"sources": {"small": 0.4}}))

    assert not made.proposed
    assert made.waves[0].quotas == {"big": 0, "mid": 0, "small": 40}
    assert made.waves[0].sources["small"] >= 40


def test_a_proposal_keeps_within_the_caps_of_sources() -> None:
    made = plan(make_sourced(), make_config(caps={"sources": {"big": 5, "mid": {"total": 7}}}))

    assert made.waves[0].quotas == {"big": 5, "mid": 7, "small": 38}
    assert made.waves[0].sources["big"] <= 5


def test_one_source_needs_no_quota() -> None:
    pool, _ = make_pool(items=300, sources=("only",))
    made = plan(pool, make_config(rules=[]))

    assert [(source.name, source.quota) for source in made.sources] == [("only", 0.0)]


def test_once_the_audit_sample_tells_where_a_class_is_scarce_that_source_gets_more() -> None:
    pool = make_sourced()
    sample = audit.extend(pool, {}, draws=400)
    by_source = np.array([0.01, 0.2, 0.2])[pool.sources]
    is_rare = np.random.default_rng(0).random(1_000) < by_source
    targets = np.stack([~is_rare, is_rare], axis=1) & sample.members[:, None]
    audited = replace(pool, labeled=sample.members, targets=targets)
    stage = Stage(round=1, model=1, audit=sample.thresholds, encoder="e")
    made, before = plan(audited, make_config(), stage=stage), plan(pool, make_config())

    assert made.measured_by_source
    assert made.rare == ("rare",)
    assert made.waves[0].quotas["big"] > before.waves[0].quotas["big"] + 5
    assert made.audit_items == 400


def test_waves_tell_rules_rounds_and_audit_items() -> None:
    pool = make_sourced(labeled=80)
    made = plan(pool, make_config(), stage=Stage(round=4, model=3, audit={}, encoder="e"), budget=250)

    assert [wave.round for wave in made.waves] == [5, 6]
    assert (made.reserve, made.labels, made.modelled) == (50, 80, True)
    assert made.waves[0].rules["r"] <= made.rules[0].left
    assert 10 <= made.waves[0].audit_items < made.waves[1].audit_items
    assert [one.name for one in made.waves[0].expected] == [one.name for one in made.total] == ["common", "rare"]


def test_a_project_of_several_classes_an_item_is_planned_too() -> None:
    for labeled in (0, 80):
        made = plan(make_sourced(labeled=labeled), make_config(task="multi"))

        assert [wave.chosen for wave in made.waves] == [100, 100]
        assert all(0 <= one.low <= one.high <= 200 for one in made.total)


def test_the_same_state_gives_the_same_plan() -> None:
    pool, config = make_sourced(labeled=40), make_config()

    assert plan(pool, config) == plan(pool, config)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"budget": 0}, "--budget 0: at least 1"),
        ({"waves": []}, "1 to 20 numbers"),
        ({"waves": [5, 0]}, "--waves 5,0: 1 to 20 numbers of at least 1"),
        ({"waves": [1] * 21}, "1 to 20 numbers"),
        ({"waves": [60, 60]}, "they add up to 120, which is more than the budget of 100"),
        ({"guesses": {"nix": 0.1}}, "--prior nix=0.1: the classes are common, rare"),
        ({"guesses": {"rare": 0.0}}, "a share between 0 and 1 is expected, as in rare=0.02"),
        ({"guesses": {"rare": float("nan")}}, "a share between 0 and 1"),
        ({"guesses": {"rare": 0.6, "common": 0.6}}, "the shares add up to 1.2; an item has one class only"),
    ],
)
def test_what_can_not_be_planned_is_refused(request_: dict[str, object], why: str) -> None:
    asked: dict[str, object] = {"budget": 100, "waves": [50, 50], "guesses": {}}

    with pytest.raises(InvalidInputError, match=why):
        check_request(make_config(), **(asked | request_))  # type: ignore[arg-type]
    check_request(make_config(task="multi"), budget=100, waves=[100], guesses={"rare": 0.6, "common": 0.6})
