"""A plan followed in a replay: what was expected of each wave, at first and just before it, and what it found."""

import time
from collections.abc import Iterator, Mapping, Sequence
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
from workers.training import audit, bands
from workers.training.bands import Scorer
from workers.training.classifier import LinearModel
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
        quotas_anew: what a plan after the first wave would keep for each source, by what the audit sample then tells.
        waves: what the plan brought, its quotas in force.
        without_quotas: what the same strategy brought without quotas.
        random: what random labeling brought.
    """

    first: LabelingPlan
    anew: tuple[Expected, ...]
    quotas_anew: dict[str, float]
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
    stage = Stage(round=0, model=0, audit={}, encoder=encoder, scorers=())
    first = _plan(case, _Labeled(data.pool, None, stage), config, 0)
    planned = with_quotas(config, first)
    waves = _replayed(case, data, planned, strategy="quietcorner", encoder=encoder)
    after = list(_stages(case, data, planned, waves, stage))
    anew = [_plan(case, one, planned, number) for number, one in enumerate(after, 1)]
    return Followed(
        first=first,
        anew=(expected_of(first.waves[0], case.rare), *(expected_of(plan.waves[0], case.rare) for plan in anew)),
        quotas_anew={source.name: source.quota for source in _plan(case, after[0], config, 1).sources},
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


@dataclass(frozen=True)
class _Labeled:
    """A project some waves into its life."""

    pool: Pool
    model: LinearModel | None
    stage: Stage


def _plan(case: Case, now: _Labeled, config: ProjectConfig, done: int) -> LabelingPlan:
    """The plan of the waves that are left when some are done."""
    left = case.waves[done:]
    guesses = {case.rare: case.prior}
    return make_plan(now.pool, now.model, config, stage=now.stage, budget=sum(left), waves=left, guesses=guesses)


def _stages(
    case: Case, data: ReplayData, config: ProjectConfig, waves: Sequence[Wave], stage: Stage
) -> Iterator[_Labeled]:
    """The project after each wave but the last."""
    pool, model = data.pool, None
    scorers: tuple[Scorer, ...] = ()
    for number, wave in enumerate(waves[:-1], 1):
        banded = bands.divide(pool, config, audit.sealed(pool, stage.audit), scorers)
        pool, scorers = banded.pool, banded.scorers
        draws = round(config.selection.audit_share * case.waves[number - 1])
        thresholds = audit.extend(pool, stage.audit, draws=draws).thresholds
        pool = _labeled(pool, data, wave.chosen)
        model = train(pool, config, previous=model)
        stage = Stage(round=number, model=number, audit=thresholds, encoder=stage.encoder, scorers=scorers)
        yield _Labeled(pool, model, stage)


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
