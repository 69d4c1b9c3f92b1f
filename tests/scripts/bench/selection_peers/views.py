"""Views of made-up pools for the tests of the peers."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit, softmax

from shared.pool import Floats, Pool
from shared.project import ProjectConfig, Task
from tests.pools import make_pool

THREE = {"classes": ("common", "second", "rare"), "shares": (0.7, 0.2, 0.1)}
_SHARPNESS = 8.0


@dataclass(frozen=True)
class MadeView:
    """What a peer may look at."""

    pool: Pool
    config: ProjectConfig
    probability: Floats | None
    rng: np.random.Generator

    @property
    def scores(self) -> Floats | None:
        """What a model decides by that has no thresholds of its own."""
        if self.probability is None:
            return None
        odds = np.log(self.probability) if self.config.task is Task.SINGLE else logit(self.probability)
        return np.asarray(odds, dtype=np.float32)


def make_view(*, task: Task = Task.SINGLE, seed: int = 0, **pool: Any) -> MadeView:
    """A pool, and the probabilities of a model that goes by how near an item is to the mean of each class's labels."""
    made, truth = make_pool(**({"items": 300, "labeled": 40, "seed": 1} | THREE | pool))
    if task is Task.MULTI:  # some items of two classes, some of none
        truth = truth | np.roll(truth, 1, axis=0)
        truth[::7] = False
        made = replace(made, targets=truth & made.labeled[:, None])
    config = ProjectConfig(classes=made.classes, task=task)
    return MadeView(made, config, _probability(made, task), np.random.default_rng(seed))


def _probability(pool: Pool, task: Task) -> Floats:
    vectors = pool.vectors(np.arange(len(pool)))
    means = np.stack([vectors[members].mean(axis=0) if members.any() else -vectors[0] for members in pool.targets.T])
    scores = _SHARPNESS * vectors @ means.T
    probability = softmax(scores, axis=1) if task is Task.SINGLE else expit(scores - scores.mean())
    return np.asarray(probability, dtype=np.float32)
