"""Views of made-up pools for the tests of the peers."""

from dataclasses import replace
from typing import Any

import numpy as np

from shared.pool import Pool
from shared.project import ProjectConfig, Task
from tests.pools import make_pool
from workers.selection.round import train
from workers.selection.view import View
from workers.training import classifier

THREE = {"classes": ("common", "second", "rare"), "shares": (0.7, 0.2, 0.1)}


def make_view(*, task: Task = Task.SINGLE, seed: int = 0, **pool: Any) -> View:
    """What a strategy sees of a pool, with a model trained on its labels."""
    made, truth = make_pool(**({"items": 300, "labeled": 40, "seed": 1} | THREE | pool))
    if task is Task.MULTI:  # some items of two classes, some of none
        truth = truth | np.roll(truth, 1, axis=0)
        truth[::7] = False
        made = replace(made, targets=truth & made.labeled[:, None])
    return view_of(made, ProjectConfig(classes=made.classes, task=task), seed=seed)


def view_of(pool: Pool, config: ProjectConfig, *, seed: int = 0) -> View:
    """A view with the pool's own model."""
    model = train(pool, config)
    probability = None if model is None else classifier.probabilities(model, pool.matrix, pool.rows)
    return View(pool, config, probability, np.random.default_rng(seed))
