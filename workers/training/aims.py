"""The decisions that a project file asks for: of least expected cost, and for some classes by their goals.

A goal wins over costs, and error costs win over macro-F1: a class with a goal is decided for where its goal is reached,
any other where the expected cost is least if the project file has error costs, and else where macro-F1 is highest,
moved by the logarithm of the class's cost.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from shared.pool import Floats
from shared.project import ProjectConfig
from workers.training import classifier
from workers.training.calibration import Doubles
from workers.training.classifier import LinearModel
from workers.training.error_costs import cost_matrix, savings
from workers.training.goals import goal_offsets


def wanted(config: ProjectConfig) -> dict[str, Any]:
    """What a project file says that the thresholds of goals depend on, as JSON; empty without goals."""
    return config.model_dump(mode="json", include={"goals", "error_costs"}) if config.goals else {}


def aim(model: LinearModel, config: ProjectConfig) -> LinearModel:
    """The model, deciding as error costs want it and by its tuning's thresholds; its probabilities stay what they are.

    A model without tuning has no such thresholds: probabilities that were never held against held-out labels say
    nothing about a recall.
    """
    if config.error_costs and model.exclusive:
        model = replace(model, savings=savings(cost_matrix(config)), offsets=np.zeros_like(model.offsets))
    aimed = model.tuning.aimed
    if aimed is None:
        return model
    reached = np.where(np.isnan(aimed) | ~model.learned, model.offsets, aimed)
    return replace(model, offsets=reached.astype(np.float32))


def thresholds(model: LinearModel, config: ProjectConfig, probability: Floats, alone: Floats) -> Doubles:
    """(n_classes,) offsets with which goals are reached, NaN for a class without one, or without a label.

    Args:
        model: As trained and tuned.
        config: The project.
        probability: (n, n_classes) float32, calibrated, of items that stand for the pool; for an item that taught the
            model, of one that it did not teach: a model finds what it has seen too easily.
        alone: (n, n_classes) float32, likewise, with each class calibrated alone: a softmax has one slope for all
            classes, so a class that is harder to tell than the others would be taken to be found sooner than it is.
    """
    column = {name: place for place, name in enumerate(model.classes)}
    goals = {column[name]: goal for name, goal in config.goals.items() if model.learned[column[name]]}
    without_goals = aim(model, config)
    plain = classifier.decision_scores(replace(without_goals, offsets=np.zeros_like(model.offsets)), probability)
    found = goal_offsets(alone, plain, without_goals.offsets, goals, exclusive=model.exclusive)
    return np.where(np.isin(np.arange(len(found)), list(goals)), found, np.nan)
