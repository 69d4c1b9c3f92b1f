"""The replay: rounds of select, label, train and measure, with the core that the workers run. Pure."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from shared.contracts import Reason
from shared.pool import Mask, Pool
from shared.project import ProjectConfig
from workers.selection.nearness import Nearness
from workers.selection.round import RoundPlan, Selected, select
from workers.selection.stability import COMPARED
from workers.selection.strategies import YARDSTICKS
from workers.simulation.preparation import ReplayData
from workers.training import classifier
from workers.training.bands import Scorer
from workers.training.classifier import LinearModel
from workers.training.metrics import ClassMetrics, Metrics, evaluate
from workers.training.splits import assign_folds
from workers.training.tuning import train


@dataclass(frozen=True)
class ClassReport(ClassMetrics):
    """Quality on one class of the test set, and how many items of the pool are labeled with it."""

    labeled: int


@dataclass(frozen=True)
class Chosen:
    """An item that a round chose, and why."""

    item_id: str
    reason: Reason


@dataclass(frozen=True)
class RoundReport:
    """The state after a round's batch was labeled and the model trained anew.

    Attributes:
        round: From 1, which is the round without a model.
        labels: Labeled items so far.
        macro_f1: On the test set, over the classes that occur in it.
        macro_pr_auc: Likewise; None when the test set holds no label at all.
        rare_recall_found: Share of the pool's items of rare classes that is labeled; None when there are none.
        per_class: By class.
        train_s: Seconds that training took.
        select_s: Seconds that choosing this round's batch took.
        selected: The batch, by rank.
    """

    round: int
    labels: int
    macro_f1: float
    macro_pr_auc: float | None
    rare_recall_found: float | None
    per_class: dict[str, ClassReport]
    train_s: float
    select_s: float
    selected: tuple[Chosen, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON-ready."""
        selected = [{"item_id": chosen.item_id, "reason": chosen.reason.model_dump()} for chosen in self.selected]
        return {**asdict(replace(self, selected=())), "selected": selected}

    def rare_f1(self, rare: Collection[str]) -> float | None:
        """Mean F1 of the rare classes that occur in the test set; None when none does."""
        found = [metrics.f1 for name, metrics in self.per_class.items() if name in rare and metrics.support]
        return float(np.mean(found)) if found else None


def rare_classes(data: ReplayData) -> tuple[str, ...]:
    """Classes with less than half of an even share of the pool's labels."""
    counts = data.truth.sum(axis=0)
    few = counts < counts.sum() / len(counts) / 2
    return tuple(name for name, is_rare in zip(data.pool.classes, few.tolist(), strict=True) if is_rare)


def replay(
    data: ReplayData,
    config: ProjectConfig,
    *,
    strategy: str,
    encoder: str,
    init: int,
    rounds: int,
    rare: Collection[str],
    clock: Callable[[], float],
) -> Iterator[RoundReport]:
    """Replay rounds with the labels of the file, until so many are done or no eligible item is left.

    Args:
        data: Pool, labels and test set.
        config: Of the project that is simulated; the batch size is its `selection.batch_size`.
        strategy: One of `workers.selection.strategies.STRATEGIES`.
        encoder: Key of the encoder whose vectors the pool holds.
        init: Places of the first round, which has no model.
        rounds: Rounds at most, the first included.
        rare: Classes whose share found is reported.
        clock: Gives seconds, for the durations in the reports.
    """
    pool, model, version = data.pool, None, 1
    audit: dict[str, float] = {}
    scorers: tuple[Scorer, ...] = ()
    earlier: tuple[LinearModel, ...] = ()
    nearness = Nearness()
    for number in range(1, rounds + 1):
        if not len(pool.eligible):
            return
        plan = RoundPlan(
            number=number,
            places=init if number == 1 else config.selection.batch_size,
            encoder=encoder,
            model=version,
            audit=audit,
            strategy=strategy,
            scorers=scorers,
            earlier=() if strategy in YARDSTICKS else earlier,
        )
        started = clock()
        selected = select(pool, model, config, plan, nearness=nearness)
        select_s = clock() - started
        version += model is not None  # as the workers count: only a round that trained a model stores one
        if selected.banded:
            pool, scorers = selected.banded.pool, selected.banded.scorers
        audit, pool = selected.audit, _label(pool, data.truth, selected)
        pool = replace(pool, folds=assign_folds(pool, seed=config.seed))
        earlier = (*earlier, model)[-COMPARED:] if model else ()
        started = clock()
        model = train(pool, config, previous=model)
        train_s = clock() - started
        yield _report(number, pool, data, _measure(model, data), selected, rare, times=(train_s, select_s))


def _label(pool: Pool, truth: Mask, selected: Selected) -> Pool:
    labeled = pool.labeled.copy()
    labeled[[choice.position for choice in selected.choices]] = True
    return replace(pool, labeled=labeled, targets=truth & labeled[:, None])


def _measure(model: LinearModel | None, data: ReplayData) -> Metrics:
    """Quality on the test set. Without a model nothing is predicted and all is 0."""
    test, classes = data.test, data.pool.classes
    if model is None:
        nothing = np.zeros(test.targets.shape, dtype=bool)
        return _all_zero(evaluate(test.targets, nothing, nothing.astype(np.float32), classes=classes))
    probability = classifier.probabilities(model, data.pool.features, test.rows)
    predicted = classifier.decide(model, probability)
    return evaluate(test.targets, predicted, probability, classes=classes)


def _all_zero(metrics: Metrics) -> Metrics:
    """Areas of 0 in place of those that a constant score has."""
    per_class = {
        name: replace(found, pr_auc=0.0 if found.support else None) for name, found in metrics.per_class.items()
    }
    return replace(metrics, macro_pr_auc=None if metrics.macro_pr_auc is None else 0.0, per_class=per_class)


def _report(
    number: int,
    pool: Pool,
    data: ReplayData,
    metrics: Metrics,
    selected: Selected,
    rare: Collection[str],
    *,
    times: tuple[float, float],
) -> RoundReport:
    counts = pool.label_counts.tolist()
    return RoundReport(
        round=number,
        labels=int(pool.labeled.sum()),
        macro_f1=metrics.macro_f1,
        macro_pr_auc=metrics.macro_pr_auc,
        rare_recall_found=_share_found(pool, data.truth, rare),
        per_class={
            name: ClassReport(**asdict(metrics.per_class[name]), labeled=count)
            for name, count in zip(pool.classes, counts, strict=True)
        },
        train_s=times[0],
        select_s=times[1],
        selected=tuple(Chosen(choice.item_id, choice.reason) for choice in selected.choices),
    )


def _share_found(pool: Pool, truth: Mask, rare: Collection[str]) -> float | None:
    is_rare = truth[:, np.isin(pool.classes, list(rare))].any(axis=1)
    return float(pool.labeled[is_rare].mean()) if is_rare.any() else None
