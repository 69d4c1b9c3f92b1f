"""Whether decisions for a class have stopped to change from model to model. Pure.

After M. Bloodgood and K. Vijay-Shanker, "A method for stopping active learning based on stabilizing predictions and the
need for user-adjustable stopping" (CoNLL 2009): successive models decide on a stop set that never changes, and
learning may stop once their agreement, Cohen's kappa, has been high for some rounds.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask, Pool

Doubles = NDArray[np.float64]

COMPARED = 3
"""Pairs of successive models whose agreement is averaged, as in the paper."""

# Ten times the paper's: of a class of 1 % a tenth of these, which one decision hardly moves, were too few.
_STOP_SET = 20_000


def stop_set(pool: Pool) -> Index:
    """(k,) positions of the items that models are compared on: one a duplicate group, those with the largest draws.

    The audit sample takes the smallest ones. No model has a say, and only new items change it.
    """
    standing = pool.representatives
    if len(standing) <= _STOP_SET:
        return standing
    return np.sort(standing[np.argpartition(-pool.draws[standing], _STOP_SET)[:_STOP_SET]])


def stability(decisions: Sequence[Mask]) -> Doubles | None:
    """(n_classes,) the mean kappa of the newest successive models; None while there are too few.

    Args:
        decisions: Of each model, the oldest first: (k, n_classes) on the stop set.
    """
    newest = decisions[-COMPARED - 1 :]
    if len(newest) <= COMPARED:
        return None
    found: Doubles = np.mean([kappa(one, next_) for one, next_ in pairwise(newest)], axis=0)
    return found


def kappa(one: Mask, other: Mask) -> Doubles:
    """(n_classes,) Cohen's kappa of two models' decisions (k, n_classes); 1 where both always say the same."""
    equal = (one == other).mean(axis=0)
    yes, also = one.mean(axis=0), other.mean(axis=0)
    chance = yes * also + (1 - yes) * (1 - also)
    found: Doubles = np.where(chance < 1, (equal - chance) / np.maximum(1 - chance, 1e-12), 1.0)
    return found
