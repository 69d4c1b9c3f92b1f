"""The decisions that a project file asks for: of least expected cost, and for some classes by their goals.

A goal wins over costs, and error costs win over macro-F1: a class with a goal is decided for where its goal is reached,
any other where the expected cost is least if the project file has error costs, and else where macro-F1 is highest,
moved by the logarithm of the class's cost.
"""

from dataclasses import replace

import numpy as np
from scipy.special import expit

from shared.pool import Floats
from shared.project import ProjectConfig
from workers.training import classifier
from workers.training.classifier import LinearModel
from workers.training.error_costs import cost_matrix, savings
from workers.training.goals import goal_offsets


def aim(model: LinearModel, config: ProjectConfig, vectors: Floats) -> LinearModel:
    """The model, deciding as the project's error costs and goals want it; its probabilities stay what they are.

    What a threshold finds is reckoned with the probability of its class alone where there is one: a softmax has one
    slope for all classes, so a class that is harder to tell than the others would be taken to be found sooner than it
    is. Before there is a tuning, goals are not aimed at: probabilities that were never held against held-out labels say
    nothing about a recall.

    Args:
        model: As trained.
        config: The project.
        vectors: (n, d) float32, of items that stand for the pool, n >= 1.
    """
    nothing = np.zeros_like(model.offsets)
    if config.error_costs and model.exclusive:
        model = replace(model, savings=savings(cost_matrix(config)), offsets=nothing)
    column = {name: place for place, name in enumerate(model.classes)}
    goals = {column[name]: goal for name, goal in config.goals.items() if model.learned[column[name]]}
    if not goals or not model.tuning.labels:
        return model
    probability = classifier.probabilities(model, vectors, np.arange(len(vectors)))
    plain = classifier.decision_scores(replace(model, offsets=nothing), probability)
    if model.tuning.alone is not None:
        odds = classifier.log_scores(probability, exclusive=False)
        probability = expit(model.tuning.alone.apply(odds, np.zeros(len(model.classes)))).astype(np.float32)
    found = goal_offsets(probability, plain, model.offsets, goals, exclusive=model.exclusive)
    return replace(model, offsets=found.astype(np.float32))
