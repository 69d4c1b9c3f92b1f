"""What the channels look at: the pool with the model's opinion of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
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
        rng: The round's source of chance; each channel draws from it in a fixed order.
    """

    pool: Pool
    config: ProjectConfig
    model: LinearModel | None
    probability: Floats | None
    rng: np.random.Generator

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
    def rare(self) -> Mask:
        """(n_classes,) classes that want more examples.

        A class with a target is rare until it is met. One without is rare while it has less than half of an even
        share of the labels.
        """
        counts = self.pool.label_counts
        even = counts.sum() / len(counts)
        targets = self.config.targets
        return np.array(
            [
                count < targets[name] if name in targets else count < even / 2
                for name, count in zip(self.pool.classes, counts.tolist(), strict=True)
            ]
        )
