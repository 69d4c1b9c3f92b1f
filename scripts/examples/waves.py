"""A plan followed in a replay: what was expected of each wave, at first and just before it, and what it found."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scripts.examples.cases import Case
from shared.pool import Index, Pool
from shared.project import ProjectConfig, Quotas
from workers.selection.expectation import Expected
from workers.selection.plans import LabelingPlan, WavePlan, make_plan
from workers.selection.rehearsal import Stage
from workers.simulation.preparation import ReplayData
from workers.simulation.replay import RoundReport, replay
from workers.training import audit
from workers.training.tuning import train


@dataclass(frozen=True)
class Wave:
    """What one wave brought.

    Attributes:
        chosen: (n,) positions of its items in the pool.
        found: those of the class that is looked for.
        macro_f1: on the test set, after it.
        rare_f1: of that class.
    """

    chosen: Index
    found: int
    macro_f1: float
    rare_f1: float


@dataclass(frozen=True)
class Followed:
    """One seed's run of a plan.

    Attributes:
        first: the plan before the first label.
        anew: what was expected of each wave in the plan made just before it.
        waves: what the plan brought, its quotas in force.
        without_quotas: what the same strategy brought without quotas.
        random: what random labeling brought.
    """

    first: LabelingPlan
    anew: tuple[Expected, ...]
    waves: tuple[Wave, ...]
    without_quotas: tuple[Wave, ...]
    random: tuple[Wave, ...]

    def expected_at_first(self, name: str) -> list[Expected]:
        """What the first plan expected of a class, wave by wave."""
        return [expected_of(wave, name) for wave in self.first.waves]


def follow(case: Case, data: ReplayData, config: ProjectConfig, *, encoder: str) -> Followed:
    """Plan, replay wave by wave, and plan anew before each.

    Args:
        case: The example.
        data: Its pool, labels and test set.
        config: Its project, of one seed.
        encoder: Key of the vectors' encoder.
    """
    guesses = {case.rare: case.prior}
    stage = Stage(round=0, model=0, audit={}, encoder=encoder)
    first = make_plan(data.pool, None, config, stage=stage, budget=sum(case.waves), waves=case.waves, guesses=guesses)
    planned = with_quotas(config, first)
    waves = _replayed(case, data, planned, strategy="quietcorner", encoder=encoder)
    return Followed(
        first=first,
        anew=(expected_of(first.waves[0], case.rare), *_planned_anew(case, data.pool, data, planned, stage, waves)),
        waves=waves,
        without_quotas=_replayed(case, data, config, strategy="quietcorner", encoder=encoder),
        random=_replayed(case, data, config, strategy="random", encoder=encoder),
    )


def with_quotas(config: ProjectConfig, plan: LabelingPlan) -> ProjectConfig:
    """The project with the quotas of a plan."""
    return config.model_copy(update={"quotas": Quotas(sources={one.name: one.quota for one in plan.sources})})


def expected_of(wave: WavePlan, name: str) -> Expected:
    """What a wave is expected to bring of a class."""
    return next(one for one in wave.expected if one.name == name)


def _planned_anew(
    case: Case, pool: Pool, data: ReplayData, config: ProjectConfig, stage: Stage, waves: Sequence[Wave]
) -> list[Expected]:
    """Expectations of each wave after the first, by a plan made when those before it were labeled."""
    expected, model = [], None
    for number, wave in enumerate(waves[:-1], 1):
        draws = round(config.selection.audit_share * case.waves[number - 1])
        thresholds = audit.extend(pool, stage.audit, draws=draws).thresholds
        pool = _labeled(pool, data, wave.chosen)
        model = train(pool, config, previous=model)
        stage = Stage(round=number, model=number, audit=thresholds, encoder=stage.encoder)
        left = case.waves[number:]
        guesses = {case.rare: case.prior}
        plan = make_plan(pool, model, config, stage=stage, budget=sum(left), waves=left, guesses=guesses)
        expected.append(expected_of(plan.waves[0], case.rare))
    return expected


def _replayed(case: Case, data: ReplayData, config: ProjectConfig, *, strategy: str, encoder: str) -> tuple[Wave, ...]:
    reports = replay(
        data,
        config,
        strategy=strategy,
        encoder=encoder,
        init=case.waves[0],
        rounds=len(case.waves),
        rare=[case.rare],
        clock=time.perf_counter,
    )
    place = {item_id: position for position, item_id in enumerate(data.pool.item_ids)}
    return tuple(_wave(report, data, place, case.rare) for report in reports)


def _wave(report: RoundReport, data: ReplayData, place: Mapping[str, int], rare: str) -> Wave:
    chosen = np.array([place[one.item_id] for one in report.selected], dtype=np.int64)
    return Wave(
        chosen=chosen,
        found=int(data.truth[chosen, data.pool.classes.index(rare)].sum()),
        macro_f1=report.macro_f1,
        rare_f1=report.per_class[rare].f1,
    )


def _labeled(pool: Pool, data: ReplayData, chosen: Index) -> Pool:
    labeled = pool.labeled.copy()
    labeled[chosen] = True
    return replace(pool, labeled=labeled, targets=data.truth & labeled[:, None])
