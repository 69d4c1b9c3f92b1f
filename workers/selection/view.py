"""What the channels look at: the pool with the model's opinion of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.needs import Need, assess
from workers.selection.rule_precision import RulePrecision, audit_tally, audited_shares, measure_rules
from workers.selection.stability import Doubles
from workers.training import classifier
from workers.training.classifier import LinearModel


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
    """

    pool: Pool
    config: ProjectConfig
    model: LinearModel | None
    probability: Floats | None
    audit: Mapping[str, float]
    rng: np.random.Generator
    sealed: Mask
    kappas: Doubles | None = None

    @cached_property
    def predicted(self) -> Index:
        """(n,) column of the class that the model decides for (the surest of several); -1 before the first model."""
        if self.scores is None:
            return np.full(len(self.pool), -1, dtype=np.int64)
        best: Index = self.scores.argmax(axis=1)
        return best

    @cached_property
    def scores(self) -> Floats | None:
        """(n, n_classes) float32 decision scores, see `classifier.decision_scores`; None before the first model."""
        if self.model is None or self.probability is None:
            return None
        return classifier.decision_scores(self.model, self.probability)

    @cached_property
    def rules(self) -> tuple[RulePrecision, ...]:
        """What each seeding rule is worth, in the order of the pool's rules."""
        return measure_rules(self.pool, self.config, probability=self.probability, thresholds=self.audit)

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """What each class still needs, in the order of the pool's classes."""
        shares = audited_shares(audit_tally(self.pool, self.audit))
        return assess(self.pool, self.config, self.probability, shares, self.kappas)
