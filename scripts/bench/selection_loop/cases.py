"""A case: what the replays of one set, seed and condition have in common, and one replay in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scripts.bench.machine import machine as of_here
from scripts.bench.selection_loop.conditions import binding_caps, over_caps, with_noise
from scripts.bench.selection_loop.meter import Meter
from scripts.bench.selection_loop.prepared import prepare_set
from scripts.bench.selection_loop.record import ALL_LABELS, Cell, Condition, Record
from scripts.bench.selection_loop.sets import BenchSet
from shared.pool import Mask
from shared.project import Caps, ProjectConfig
from shared.vectors import VectorTable
from workers.simulation.preparation import ReplayData
from workers.simulation.replay import Chosen, RoundReport, rare_classes, replay

_DIGITS = 5
_CALLS_A_ROUND = 4  # the replay looks at its clock before and after selecting, and before and after training


@dataclass(frozen=True)
class Case:
    """What all strategies of one set, seed and condition share.

    Attributes:
        name: Of the set.
        seed: Of split, variation, noise and choices.
        condition: The terms.
        config: The project.
        data: Pool, test set, and the labels that a replay is told.
        rare: Rare classes.
        is_rare: (n,) bool, items of the pool whose true label is rare and that may be labeled.
        encoder: Key of the vectors' encoder.
    """

    name: str
    seed: int
    condition: Condition
    config: ProjectConfig
    data: ReplayData
    rare: tuple[str, ...]
    is_rare: Mask
    encoder: str


def make_case(
    bench_set: BenchSet,
    *,
    seed: int,
    condition: Condition,
    vectors: VectorTable,
    encoder: str,
    folder: Path | None = None,
) -> Case:
    """Make a case, once for all strategies; what is dear of it is kept in `folder`."""
    prepared = prepare_set(bench_set, seed=seed, vectors=vectors, folder=folder)
    clean = prepared.data
    config = ProjectConfig.model_validate(
        {
            "task": prepared.task,
            "classes": clean.pool.classes,
            "seed": seed,
            "selection": {"batch_size": condition.batch},
        }
    )
    rare = rare_classes(clean) if prepared.rare is None else prepared.rare
    is_rare = clean.truth[:, np.isin(clean.pool.classes, list(rare))].any(axis=1)
    is_rare &= np.isin(np.arange(len(clean.pool)), clean.pool.eligible)
    noisy = with_noise(clean.truth, condition.noise, np.random.default_rng(np.random.SeedSequence([seed, 1])))
    if condition.caps:
        config = config.model_copy(update={"caps": binding_caps(clean.pool, condition.batch)})
    return Case(
        name=bench_set.name,
        seed=seed,
        condition=condition,
        config=config,
        data=replace(clean, truth=noisy),
        rare=rare,
        is_rare=is_rare,
        encoder=encoder,
    )


def run_cell(case: Case, strategy: str, *, machine: str) -> Record:
    """Replay one strategy in a case."""
    meter, condition = Meter(), case.condition
    all_at_once = strategy == ALL_LABELS
    reports = list(
        replay(
            case.data,
            case.config.model_copy(update={"caps": Caps()}) if all_at_once else case.config,
            strategy="random" if all_at_once else strategy,
            encoder=case.encoder,
            init=len(case.data.pool.eligible) if all_at_once else condition.init,
            rounds=1 if all_at_once else condition.rounds,
            rare=case.rare,
            clock=meter,
        )
    )
    batches = [report.selected for report in reports]
    labels = [report.labels for report in reports]
    return Record(
        cell=Cell(set=case.name, strategy=strategy, seed=case.seed, condition=condition),
        eligible=len(case.data.pool.eligible),
        rare_classes=case.rare,
        rare_items=int(case.is_rare.sum()),
        labels=tuple(labels),
        macro_f1=tuple(round(report.macro_f1, _DIGITS) for report in reports),
        rare_f1=tuple(_rounded(report.rare_f1(case.rare)) for report in reports),
        rare_pr_auc=tuple(_rounded(_rare_pr_auc(report, case.rare)) for report in reports),
        rare_found_at=_found_at(case, batches),
        select_s=tuple(round(report.select_s, _DIGITS) for report in reports),
        train_s=tuple(round(report.train_s, _DIGITS) for report in reports),
        select_mib=_most_memory(meter, len(reports)),
        over_caps=over_caps(batches, pool=case.data.pool, caps=case.config.caps),
        missing=0 if all_at_once else min(condition.budget, len(case.data.pool.eligible)) - labels[-1],
        machine=machine,
        date=datetime.now(UTC).date().isoformat(),
    )


def this_machine(*, jobs: int) -> str:
    """The machine in words, and how it was shared."""
    shared = "" if jobs == 1 else f", {jobs} replays at a time"
    return f"{of_here()}{shared}"


def _rare_pr_auc(report: RoundReport, rare: Sequence[str]) -> float | None:
    areas = [report.per_class[name].pr_auc for name in rare]
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)


def _found_at(case: Case, batches: Sequence[Sequence[Chosen]]) -> tuple[int, ...]:
    order = [chosen.item_id for batch in batches for chosen in batch]
    rare = {item_id for item_id, is_rare in zip(case.data.pool.item_ids, case.is_rare, strict=True) if is_rare}
    return tuple(number for number, item_id in enumerate(order, start=1) if item_id in rare)


def _most_memory(meter: Meter, rounds: int) -> float | None:
    """What selecting took at most; None when the replay looked at its clock otherwise than is known here."""
    if len(meter.rises_mib) != _CALLS_A_ROUND * rounds:
        return None
    rises = [rise for rise in meter.rises_mib[1::_CALLS_A_ROUND] if rise is not None]
    return round(max(rises), 1) if rises else None
