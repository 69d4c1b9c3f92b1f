"""What errors cost, and which decisions cost least.

With probabilities that can be trusted, the best decision is the one of least expected cost (Elkan, "The Foundations of
Cost-Sensitive Learning", IJCAI 2001, section 1). What is added to all costs of one true class adds as much to the
expected cost of every decision, so each row of the cost matrix can be turned into what a decision saves against the
worst: then equal costs leave the most probable class, and a cost for each true class adds its logarithm to that class.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Mask
from shared.project import ProjectConfig, Task
from workers.training.calibration import Doubles

Costs = NDArray[np.float64]
"""Where an item has one class, (k, k): of deciding for the column where the row is true. Where it may have several,
(k, 2): of missing a class, and of a false alarm for it."""

_CURVE_POINTS = 60


def cost_matrix(config: ProjectConfig) -> Costs:
    """What the project file says that errors cost; a right decision costs nothing.

    Where an item has one class, an error costs what `error_costs` says, or else what `costs` says for the true class,
    or else 1. Where it may have several, missing a class costs what `costs` says for it, or else 1, a false alarm 1.
    """
    by_class = np.array([config.costs.get(name, 1.0) for name in config.classes])
    if config.task is not Task.SINGLE:
        return np.stack([by_class, np.ones(len(by_class))], axis=1)
    matrix = np.repeat(by_class[:, None], len(by_class), axis=1)
    np.fill_diagonal(matrix, 0.0)
    column = {name: place for place, name in enumerate(config.classes)}
    for true, row in config.error_costs.items():
        for decided, cost in row.items():
            matrix[column[true], column[decided]] = cost
    return matrix


def class_costs(config: ProjectConfig) -> Doubles:
    """(k,) what an error on an item of each class costs: the mean of what taking it for each other class does."""
    matrix = cost_matrix(config)
    if config.task is not Task.SINGLE:
        return matrix[:, 0]
    by_class = np.array([config.costs.get(name, 1.0) for name in config.classes])
    named = np.array([name in config.error_costs for name in config.classes])
    return np.where(named, matrix.sum(axis=1) / max(len(matrix) - 1, 1), by_class)


def savings(matrix: Costs) -> Floats:
    """(k, k) float32, what each decision saves against the worst one, by true class (row).

    The decision of least expected cost is the one whose expected saving is highest.

    Args:
        matrix: (k, k), as from `cost_matrix`.
    """
    saved: Floats = (matrix.max(axis=1, keepdims=True) - matrix).astype(np.float32)
    return saved


def item_costs(targets: Mask, decided: Mask, costs: Costs, *, exclusive: bool) -> Doubles:
    """(n,) what each item's decision costs; 0 for an item whose label is no class of the project.

    Args:
        targets: (n, k) bool, the labels.
        decided: (n, k) bool, the decisions.
        costs: As from `cost_matrix`.
        exclusive: Whether an item has one class.
    """
    if exclusive:
        return np.asarray(((targets @ costs) * decided).sum(axis=1))
    return np.asarray((targets & ~decided) @ costs[:, 0] + (~targets & decided) @ costs[:, 1])


def mean_cost(targets: Mask, decided: Mask, weights: Doubles, costs: Costs, *, exclusive: bool) -> float:
    """Mean cost of an item, each weighing `weights` (n,), not all 0; else as `item_costs`."""
    return float(np.average(item_costs(targets, decided, costs, exclusive=exclusive), weights=weights))


def cost_curve(
    targets: Mask, scores: Floats | Doubles, weights: Doubles, costs: Costs, *, column: int, exclusive: bool
) -> Mapping[str, list[float]]:
    """What decisions cost as the threshold of one class moves from nobody to everybody, all else as it is.

    Where an item has one class, one that is not decided to be of this class goes to the best of the others, and its
    error costs what that costs. Where it may have several, only errors on this class count.

    Args:
        targets: (n, k) bool, the labels, n >= 1.
        scores: (n, k) decision scores, see `classifier.decision_scores`; k >= 2 where an item has one class.
        weights: (n,) float64, what each item stands for.
        costs: As from `cost_matrix`.
        column: Of the class.
        exclusive: Whether an item has one class.

    Returns:
        `flagged`, rising shares of the weight that is decided to be of the class, from 0 to 1, and `cost`, the mean
        cost of an item there; 60 points at most.
    """
    if exclusive:
        rows, rival, by_decision = np.arange(len(targets)), _rival(scores, column), targets @ costs
        without, within = by_decision[rows, rival], by_decision[:, column]
        lead = scores[:, column] - scores[rows, rival]
    else:
        without = np.where(targets[:, column], costs[column, 0], 0.0)
        within = np.where(targets[:, column], 0.0, costs[column, 1])
        lead = scores[:, column]
    order = np.argsort(-lead, kind="stable")
    last = np.append(lead[order][:-1] != lead[order][1:], True)  # items of equal score are on one side together
    total = weights.sum()
    flagged = np.append(0.0, weights[order].cumsum()[last] / total)
    cost = (without @ weights + np.append(0.0, ((within - without) * weights)[order].cumsum()[last])) / total
    shown = np.unique(np.linspace(0, len(flagged) - 1, min(_CURVE_POINTS, len(flagged))).round().astype(np.int64))
    return {"flagged": flagged[shown].tolist(), "cost": cost[shown].tolist()}


def _rival(scores: Floats | Doubles, column: int) -> Index:
    """(n,) the best of the other classes."""
    others = np.array(scores, dtype=np.float64)
    others[:, column] = -np.inf
    rival: Index = others.argmax(axis=1)
    return rival
