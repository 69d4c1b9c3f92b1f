"""What the next rounds would choose, with nobody labeling: the rounds themselves, with imagined labels in between.

Pure.

The first wave is exactly the batch that the next round would choose. For those after it, the items of the waves before
get labels drawn from what is known of them, so that the division among channels meets counts as they may be then. The
model stays as it is: imagined labels can't teach it anything. Only where there is none yet, one is trained on them,
since a round with a model divides its places otherwise; what it says of any item means nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.selection.knowledge import Knowledge, best_rules
from workers.selection.round import RoundPlan, Selected, select
from workers.training import audit, classifier
from workers.training.bands import Scorer
from workers.training.classifier import LinearModel
from workers.training.tuning import train


@dataclass(frozen=True)
class Stage:
    """Where a project stands before a wave: rounds and model versions so far, audit thresholds, its encoder's key, and
    the scorers that divide its pool into bands (None leaves the bands as they are), and the models of its last rounds,
    the oldest first."""

    round: int
    model: int
    audit: dict[str, float]
    encoder: str
    scorers: Sequence[Scorer] | None = None
    earlier: Sequence[LinearModel] = ()


@dataclass(frozen=True)
class Rehearsed:
    """What a wave would choose, and the audit items that would then be labeled."""

    selected: Selected
    audit_items: int

    @property
    def positions(self) -> Index:
        """(n,) of the items in the pool."""
        return np.array([choice.position for choice in self.selected.choices], dtype=np.int64)


def rehearse(
    pool: Pool,
    model: LinearModel | None,
    config: ProjectConfig,
    knowledge: Knowledge,
    *,
    stage: Stage,
    waves: Sequence[int],
) -> Iterator[Rehearsed]:
    """Choose wave after wave.

    Args:
        pool: The pool before the first.
        model: As the next round would train it.
        config: The project, with the quotas that are to hold.
        knowledge: What is known of the pool.
        stage: Where the project stands.
        waves: Places of each.
    """
    thresholds = stage.audit
    for number, places in enumerate(waves, 1):
        plan = RoundPlan(
            number=stage.round + number,
            places=places,
            encoder=stage.encoder,
            model=stage.model + number,
            audit=thresholds,
            scorers=stage.scorers if number == 1 else None,  # imagined labels can't tell who is likely
            earlier=stage.earlier,
        )
        selected = select(pool, model, config, plan)
        pool = selected.banded.pool if selected.banded else pool
        thresholds = selected.audit
        rng = np.random.default_rng([config.seed, plan.number])
        pool = _imagine(pool, model, config, knowledge, selected, rng)
        yield Rehearsed(selected, len(audit.answers(pool, thresholds)))
        if model is None and number < len(waves):
            model = train(pool, config)


def _imagine(
    pool: Pool,
    model: LinearModel | None,
    config: ProjectConfig,
    knowledge: Knowledge,
    selected: Selected,
    rng: np.random.Generator,
) -> Pool:
    """The pool with made-up labels on what was selected."""
    positions = np.array([choice.position for choice in selected.choices], dtype=np.int64)
    if model is None:
        rates = _guessed_rates(pool, config, knowledge, positions)
    else:
        rates = classifier.probabilities(model, pool.features, pool.rows[positions])
    targets, labeled = pool.targets.copy(), pool.labeled.copy()
    targets[positions] = _drawn(rates, rng, exclusive=config.task is Task.SINGLE)
    labeled[positions] = True
    return replace(pool, targets=targets, labeled=labeled)


def _guessed_rates(pool: Pool, config: ProjectConfig, knowledge: Knowledge, positions: Index) -> Floats:
    """(n, n_classes) before the first model: the share of each class, and for a rule's hits its precision."""
    count = len(pool.classes)
    known = [0.0 if share is None else share.value for share in knowledge.shares]
    unknown = [share is None for share in knowledge.shares]
    left = max(0.0, 1 - sum(known)) / max(1, sum(unknown))
    rates = np.tile(np.where(unknown, left, known), (len(positions), 1))
    for column in range(count):
        rule = best_rules(pool, config, knowledge, column)[positions]
        for place in np.unique(rule[rule >= 0]).tolist():
            precision = knowledge.rules[place].precision
            rates[rule == place, column] = 0.5 if precision is None else precision.value
    return rates.astype(np.float32)


def _drawn(rates: Floats, rng: np.random.Generator, *, exclusive: bool) -> Mask:
    if not exclusive:
        return rng.random(rates.shape) < rates
    edges = np.cumsum(rates, axis=1, dtype=np.float64)
    picked = (rng.random((len(rates), 1)) * edges[:, -1:] >= edges).sum(axis=1)
    drawn: Mask = np.arange(rates.shape[1]) == np.minimum(picked, rates.shape[1] - 1)[:, None]
    return drawn
