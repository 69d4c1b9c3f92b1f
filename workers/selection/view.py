"""What the channels look at: the pool with the model's opinion of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from shared.blocks import each_block
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.nearness import Nearness
from workers.selection.needs import Need, assess
from workers.selection.rule_precision import RulePrecision, audit_tally, audited_shares, measure_rules
from workers.selection.stability import Doubles
from workers.training import classifier
from workers.training.classifier import LinearModel

# Items judged at once: the block stays in the processor's cache.
_BLOCK = 4_096


@dataclass(frozen=True)
class View:
    """The pool in one round.

    Attributes:
        pool: The pool.
        config: The project.
        model: The model; None before the first.
        probability: (n, n_classes) float32, of every item; None before the first model.
        audit: The audit sample's thresholds by stratum, as the last round left them.
        rng: The round's source of chance; each channel draws from it in a fixed order.
        sealed: (n,) the audit sample and its families, see `workers.training.audit.sealed`.
        kappas: (n_classes,) how far the last models agree on each class; None while there are too few.
        nearness: of items to labeled ones, as far as it is known.
    """

    pool: Pool
    config: ProjectConfig
    model: LinearModel | None
    probability: Floats | None
    audit: Mapping[str, float]
    rng: np.random.Generator
    sealed: Mask
    kappas: Doubles | None = None
    nearness: Nearness = field(default_factory=Nearness)

    @property
    def predicted(self) -> Index:
        """(n,) column of the class that the model decides for (the surest of several); -1 before the first model."""
        return self._judged[0]

    @property
    def indecision(self) -> Floats:
        """(n,) float32 in [0, 1]: how close each item is to the threshold at which the decision changes, 1 is on it."""
        return self._judged[1]

    @cached_property
    def scores(self) -> Floats | None:
        """(n, n_classes) float32 decision scores, see `classifier.decision_scores`; None before the first model."""
        if self.model is None or self.probability is None:
            return None
        return classifier.decision_scores(self.model, self.probability)

    @cached_property
    def _judged(self) -> tuple[Index, Floats]:
        """`predicted` and `indecision`, from scores that are made block by block, as all together fill no cache."""
        predicted, indecision = np.full(len(self.pool), -1, dtype=np.int64), np.zeros(len(self.pool), dtype=np.float32)
        if self.model is None or self.probability is None:
            return predicted, indecision
        model, probability = self.model, self.probability

        def judge(block: slice) -> None:
            scores = classifier.decision_scores(model, probability[block])
            predicted[block] = scores.argmax(axis=1)
            indecision[block] = _indecision(scores, predicted[block], exclusive=model.exclusive)

        each_block(len(self.pool), _BLOCK, judge)
        return predicted, indecision

    @cached_property
    def rules(self) -> tuple[RulePrecision, ...]:
        """What each seeding rule is worth, in the order of the pool's rules."""
        return measure_rules(self.pool, self.config, probability=self.probability, thresholds=self.audit)

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """What each class still needs, in the order of the pool's classes."""
        shares = audited_shares(audit_tally(self.pool, self.audit))
        return assess(self.pool, self.config, self.probability, shares, self.kappas)


def _indecision(scores: Floats, best: Index, *, exclusive: bool) -> Floats:
    """(n,) of decision scores (n, n_classes), which are overwritten."""
    if not exclusive:
        nearest: Floats = np.exp(-np.abs(scores).min(axis=1))
        return nearest
    if scores.shape[1] == 1:
        return np.zeros(len(scores), np.float32)
    rows = np.arange(len(scores))
    highest = scores[rows, best]
    scores[rows, best] = -np.inf
    tie: Floats = np.exp(scores.max(axis=1) - highest)
    return tie
