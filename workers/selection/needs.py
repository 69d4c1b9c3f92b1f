"""What each class still needs: how rare it is, how much of it is left, and when enough of it is found."""

from dataclasses import dataclass

import numpy as np

from shared.blocks import each_block
from shared.pool import Floats, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.stability import Doubles
from workers.selection.stopping import Evidence, weigh_evidence
from workers.training.bands import RARE_PART
from workers.training.error_costs import class_costs
from workers.training.metrics import Interval

# Of a class whose errors cost nothing, which is thereby the last in turn.
_LEAST_COST = 1e-3
# Items added up at once: the block stays in the processor's cache, and sums are the same on any number of cores.
_BLOCK = 4_096


@dataclass(frozen=True)
class Need:
    """One class in one round.

    Attributes:
        column: of the class.
        labels: labeled items of it.
        cost: how many times as much an error on it weighs.
        rare: whether it is sought: it has a target that is not met, or has none and is rare in the pool.
        starved: whether it is also rare among the labels, so that the model has seen little of it.
        done: whether it was rare, and enough of it is found.
        left: eligible items of the class that the model expects, NaN before the first model.
        evidence: what speaks for its being done, or against it.
    """

    column: int
    labels: int
    cost: float
    rare: bool
    starved: bool
    done: bool
    left: float
    evidence: Evidence


def assess(
    pool: Pool,
    config: ProjectConfig,
    probability: Floats | None,
    shares: list[Interval] | None,
    kappas: Doubles | None = None,
) -> tuple[Need, ...]:
    """The need of each class, in the order of the pool's classes; when it is done, `workers.selection.stopping` says.

    Args:
        pool: The pool.
        config: The project.
        probability: (n, n_classes) float32, calibrated; None before the first model.
        shares: Of each class in the pool by the audit sample; None while that is too small to be asked.
        kappas: (n_classes,) how far the last models agree on each class; None while there are too few.
    """
    counts = pool.label_counts
    expected, left = (None, None) if probability is None else _expected(pool, probability)
    sought, evidence = _sought(pool, config, expected), weigh_evidence(pool, left, shares, kappas)
    done = [found.done for found in evidence]
    few = counts < counts.sum() / len(counts) * RARE_PART
    costs = np.maximum(class_costs(config), _LEAST_COST)
    return tuple(
        Need(
            column=column,
            labels=int(counts[column]),
            cost=float(costs[column]),
            rare=bool(sought[column] and not done[column]),
            starved=bool(sought[column] and not done[column] and few[column]),
            done=bool(sought[column] and done[column]),
            left=float("nan") if left is None else float(left[column]),
            evidence=evidence[column],
        )
        for column, name in enumerate(pool.classes)
    )


def _expected(pool: Pool, probability: Floats) -> tuple[Doubles, Doubles]:
    """Items of each class that the model expects, (n_classes,) each: of the whole pool, and of the eligible items."""
    counted = np.ones((2, len(pool)), dtype=np.float32)
    counted[1] = 0
    counted[1, pool.eligible] = 1
    sums = np.zeros((-(-len(pool) // _BLOCK), 2, probability.shape[1]))

    def add_up(block: slice) -> None:
        sums[block.start // _BLOCK] = counted[:, block] @ probability[block]

    each_block(len(pool), _BLOCK, add_up)
    of_all, of_eligible = sums.sum(axis=0)
    return of_all, of_eligible


def _sought(pool: Pool, config: ProjectConfig, expected: Doubles | None) -> Mask:
    """Classes with an unmet target; of those without one, the rare ones, by the model's opinion of the pool."""
    counts = pool.label_counts
    share = counts if expected is None else expected
    rare = share < share.sum() / len(share) * RARE_PART
    unmet = [
        counts[column] < config.targets[name] if name in config.targets else rare[column]
        for column, name in enumerate(pool.classes)
    ]
    return np.array(unmet, dtype=bool)
