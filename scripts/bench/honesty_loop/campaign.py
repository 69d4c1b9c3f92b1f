"""A simulated campaign: rounds of choosing and labeling as the workers do them, and what is true afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.round import RoundPlan, select
from workers.training import classifier
from workers.training.bands import Scorer
from workers.training.classifier import LinearModel
from workers.training.crossfit import CrossFit, cross_fit
from workers.training.splits import assign_folds
from workers.training.tuning import train


@dataclass(frozen=True)
class Campaign:
    """Where a campaign ended.

    Attributes:
        config: Of its project.
        pool: With the labels that it asked for.
        truth: (n, n_classes) bool, all labels.
        audit: Thresholds of the audit sample.
        model: Trained on all labels.
        labeled: (m,) positions of the labeled items.
        held_out: Predictions of these by models that saw neither them nor their families.
        decided: (n, n_classes) bool: what is decided for each item by a model that did not see it.
        probability: (n, n_classes) float32, likewise.
    """

    config: ProjectConfig
    pool: Pool
    truth: Mask
    audit: dict[str, float]
    model: LinearModel
    labeled: Index
    held_out: CrossFit
    decided: Mask
    probability: np.ndarray[tuple[int, int], np.dtype[np.float32]]


def run_campaign(pool: Pool, truth: Mask, config: ProjectConfig, *, rounds: int, encoder: str) -> Campaign | None:
    """Run rounds until so many are done; None when the labels never told two classes apart in every fold.

    Args:
        pool: Without a label; its draws decide the audit sample.
        truth: (n, n_classes) bool, what annotators answer.
        config: Of the project; the batch size is that of every round.
        rounds: How many.
        encoder: Key of the encoder.
    """
    model: LinearModel | None = None
    audit: dict[str, float] = {}
    scorers: Sequence[Scorer] = ()
    for number in range(1, rounds + 1):
        plan = RoundPlan(
            number=number,
            places=config.selection.batch_size,
            encoder=encoder,
            model=number,
            audit=audit,
            scorers=scorers,
        )
        selected = select(pool, model, config, plan)
        if selected.banded:
            pool, scorers = selected.banded.pool, selected.banded.scorers
        labeled = pool.labeled.copy()
        labeled[[choice.position for choice in selected.choices]] = True
        audit, pool = selected.audit, replace(pool, labeled=labeled, targets=truth & labeled[:, None])
        pool = replace(pool, folds=assign_folds(pool, seed=config.seed))
        model = train(pool, config, previous=model)
    rows = np.flatnonzero(pool.labeled)
    if model is None:
        return None
    held_out = cross_fit(pool, rows, config, recipe=model.tuning.recipe, seed=config.seed)
    if held_out is None:
        return None
    probability = classifier.probabilities(model, pool.features, pool.rows)
    decided = classifier.decide(model, probability)
    probability[rows], decided[rows] = held_out.probability, held_out.decided
    return Campaign(config, pool, truth, audit, model, rows, held_out, decided, probability)
