"""A labeling plan: what a budget would be spent on, wave by wave, and what it is expected to bring. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.errors import InvalidInputError
from shared.pool import Floats, Index, Pool
from shared.project import Cap, ProjectConfig, Quotas
from workers.selection.allocation import power_allocation, source_shares
from workers.selection.expectation import ChosenItems, Expected, expect
from workers.selection.knowledge import Basis, Knowledge, know, rare_classes
from workers.selection.rehearsal import Rehearsed, Stage, rehearse
from workers.selection.rule_precision import RulePrecision
from workers.training import classifier
from workers.training.classifier import LinearModel
from workers.training.crossfit import cross_fit
from workers.training.metrics import Interval

# Of a wave, kept for sources by proposed quotas; the other half goes where most is found.
QUOTA_SHARE = 0.5
_MOST_WAVES = 20


@dataclass(frozen=True)
class KnownShare:
    """The share of a class in the pool (None: nothing is known of it), where it is known from, and the user's guess."""

    name: str
    labels: int
    share: Interval | None
    basis: Basis
    guess: float | None = None


@dataclass(frozen=True)
class SourceQuota:
    """One source: its items, those that may still be chosen, and the part of a wave that is kept for it."""

    name: str
    items: int
    eligible: int
    quota: float


@dataclass(frozen=True)
class WavePlan:
    """One wave.

    Attributes:
        number: from 1.
        round: the round that would choose it.
        places: items wanted.
        chosen: items that would be chosen.
        quotas: items kept for each source.
        sources: items that would be chosen from each source.
        channels: items that would be chosen by each channel.
        rules: items that would be chosen among the hits of each rule.
        expected: by class, in the project's order.
        audit_items: labeled audit items after it.
        shortfalls: what would keep it from being full, or quotas from being met.
    """

    number: int
    round: int
    places: int
    chosen: int
    quotas: dict[str, int]
    sources: dict[str, int]
    channels: dict[str, int]
    rules: dict[str, int]
    expected: tuple[Expected, ...]
    audit_items: int
    shortfalls: tuple[str, ...]


@dataclass(frozen=True)
class LabelingPlan:
    """A budget's waves, and what was known when they were planned.

    Attributes:
        budget: labels that are to be had.
        reserve: those of them that no wave uses.
        items: of the pool.
        labels: labeled items.
        waiting: items on the queue, which no wave counts.
        batch_size: of the project.
        audit_items: labeled audit items.
        modelled: whether there is a model.
        classes: what is known of each.
        rare: classes that are looked for.
        proposed: whether the quotas are a proposal; if not, they are the project's.
        measured_by_source: whether the proposal rests on shares that the audit sample measured in each source.
        sources: with their quotas.
        rules: in the project's order.
        waves: the waves.
        total: expected in all waves together.
    """

    budget: int
    reserve: int
    items: int
    labels: int
    waiting: int
    batch_size: int
    audit_items: int
    modelled: bool
    classes: tuple[KnownShare, ...]
    rare: tuple[str, ...]
    proposed: bool
    measured_by_source: bool
    sources: tuple[SourceQuota, ...]
    rules: tuple[RulePrecision, ...]
    waves: tuple[WavePlan, ...]
    total: tuple[Expected, ...]


def check_request(config: ProjectConfig, *, budget: int, waves: Sequence[int], guesses: Mapping[str, float]) -> None:
    """Refuse what no plan can be made for.

    Raises:
        InvalidInputError: says what is wrong and what is allowed.
    """
    if budget < 1:
        raise InvalidInputError(f"--budget {budget}: at least 1 label is expected")
    if not waves or min(waves) < 1 or len(waves) > _MOST_WAVES:
        raise InvalidInputError(f"--waves {_listed(waves)}: 1 to {_MOST_WAVES} numbers of at least 1 are expected")
    if sum(waves) > budget:
        raise InvalidInputError(
            f"--waves {_listed(waves)}: they add up to {sum(waves):,}, which is more than the budget of {budget:,}"
        )
    for name, share in guesses.items():
        if name not in config.classes:
            raise InvalidInputError(f"--prior {name}={share:g}: the classes are {', '.join(config.classes)}")
        if not 0 < share < 1:
            raise InvalidInputError(f"--prior {name}={share:g}: a share between 0 and 1 is expected, as in {name}=0.02")
    if config.task == "single" and sum(guesses.values()) > 1:
        raise InvalidInputError(f"--prior: the shares add up to {sum(guesses.values()):g}; an item has one class only")


def make_plan(
    pool: Pool,
    model: LinearModel | None,
    config: ProjectConfig,
    *,
    stage: Stage,
    budget: int,
    waves: Sequence[int],
    guesses: Mapping[str, float],
) -> LabelingPlan:
    """Plan a budget. The same state gives the same plan.

    Args:
        pool: The pool.
        model: As the next round would train it; None before the first.
        config: The project.
        stage: Where it stands.
        budget: Labels in all.
        waves: Places of each wave.
        guesses: Shares of the pool by class, for classes without a label.
    """
    check_request(config, budget=budget, waves=waves, guesses=guesses)
    probability = None if model is None else classifier.probabilities(model, pool.features, pool.rows)
    held_out = None if model is None else _held_out(pool, model, config)
    knowledge = know(pool, config, probability=probability, held_out=held_out, thresholds=stage.audit, guesses=guesses)
    rare = rare_classes(pool, config, knowledge)
    proposed = not config.quotas.sources
    quotas = _proposal(pool, config, knowledge, rare, waves[0]) if proposed else config.quotas.sources
    planned = config.model_copy(update={"quotas": Quotas(sources=quotas)})
    chosen = list(rehearse(pool, model, planned, knowledge, stage=stage, waves=waves))
    items = [ChosenItems(one.positions, [choice.reason.channel for choice in one.selected.choices]) for one in chosen]
    of_waves, total = expect(pool, config, knowledge, items, probability=probability, seed=config.seed)
    return LabelingPlan(
        budget=budget,
        reserve=budget - sum(waves),
        items=len(pool),
        labels=int(pool.labeled.sum()),
        waiting=int((pool.queued & ~pool.labeled).sum()),
        batch_size=config.selection.batch_size,
        audit_items=knowledge.audit_items,
        modelled=model is not None,
        classes=tuple(
            KnownShare(*known)
            for known in zip(
                pool.classes,
                pool.label_counts.tolist(),
                knowledge.shares,
                knowledge.bases,
                map(guesses.get, pool.classes),
                strict=True,
            )
        ),
        rare=tuple(pool.classes[column] for column in rare.tolist()),
        proposed=proposed,
        measured_by_source=proposed and knowledge.tally is not None and len(rare) > 0,
        sources=_sources(pool, quotas),
        rules=knowledge.rules,
        waves=tuple(
            _wave(pool, one, expected, number, places=places, stage=stage, quotas=quotas)
            for number, (one, expected, places) in enumerate(zip(chosen, of_waves, waves, strict=True), 1)
        ),
        total=tuple(total),
    )


def _held_out(pool: Pool, model: LinearModel, config: ProjectConfig) -> Floats | None:
    crossed = cross_fit(pool, np.flatnonzero(pool.labeled), config, recipe=model.tuning.recipe, seed=config.seed)
    return None if crossed is None else crossed.probability


def _proposal(pool: Pool, config: ProjectConfig, knowledge: Knowledge, rare: Index, places: int) -> dict[str, float]:
    """Wanted shares of a wave by source, see `workers.selection.allocation`; none for a single source."""
    eligible = _by_source(pool, pool.eligible)
    if len(eligible) < 2:
        return {}
    shares = np.empty((len(eligible), 0)) if knowledge.tally is None else source_shares(knowledge.tally, rare)
    before = _by_source(pool, np.flatnonzero(pool.labeled | pool.queued))
    room = [
        _room(config.caps.sources.get(name, Cap()), *counts)
        for name, *counts in zip(pool.source_names, eligible.tolist(), before.tolist(), strict=True)
    ]
    kept = power_allocation(eligible, shares, places=int(places * QUOTA_SHARE), room=np.array(room, dtype=np.int64))
    return {name: count / places for name, count in zip(pool.source_names, kept.tolist(), strict=True)}


def _room(cap: Cap, eligible: int, before: int) -> int:
    """The most that a batch may take of a source of which so many are eligible, and so many were taken before."""
    batch = eligible if cap.batch is None else cap.batch
    total = eligible if cap.total is None else cap.total - before
    return max(0, min(eligible, batch, total))


def _sources(pool: Pool, quotas: Mapping[str, float]) -> tuple[SourceQuota, ...]:
    everything, eligible = _by_source(pool, np.arange(len(pool))), _by_source(pool, pool.eligible)
    return tuple(
        SourceQuota(name, items, left, quotas.get(name, 0.0))
        for name, items, left in zip(pool.source_names, everything.tolist(), eligible.tolist(), strict=True)
    )


def _wave(
    pool: Pool,
    one: Rehearsed,
    expected: Sequence[Expected],
    number: int,
    *,
    places: int,
    stage: Stage,
    quotas: Mapping[str, float],
) -> WavePlan:
    reasons = [choice.reason for choice in one.selected.choices]
    return WavePlan(
        number=number,
        round=stage.round + number,
        places=places,
        chosen=len(reasons),
        quotas={name: int(places * quotas.get(name, 0.0) + 1e-9) for name in pool.source_names},
        sources=dict(zip(pool.source_names, _by_source(pool, one.positions).tolist(), strict=True)),
        channels=dict(Counter(reason.channel for reason in reasons)),
        rules={name: sum(name in reason.rules for reason in reasons) for name in pool.rule_names},
        expected=tuple(expected),
        audit_items=one.audit_items,
        shortfalls=one.selected.shortfalls,
    )


def _by_source(pool: Pool, positions: Index) -> Index:
    return np.bincount(pool.sources[positions], minlength=len(pool.source_names))


def _listed(waves: Sequence[int]) -> str:
    return ",".join(map(str, waves)) or "(none)"
