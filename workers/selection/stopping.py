"""When enough of a class is found. Pure."""

from dataclasses import dataclass

import numpy as np

from shared.pool import Pool
from workers.selection.stability import Doubles
from workers.training.metrics import Interval

# A class of which so much is surely found gets no more places.
_ENOUGH_FOUND = 0.9
# So much is enough where decisions have stopped to change too: on spam, a development set, the bound stood at 0.83 to
# 0.88 over 600 labels while nothing was left to find, since no audit sample of that size can show more.
_ENOUGH_IF_STABLE = 0.8
# Kappa above which decisions count as stable: that of the paper, see `workers.selection.stability`. On spam it was
# reached with the last items that were to be found.
_STABLE = 0.99
# The model may expect so much more, as a share of what is found.
_FEW_LEFT = 0.1


@dataclass(frozen=True)
class Evidence:
    """What speaks for having found a class, or against it.

    Attributes:
        found: labeled items of the class, one a duplicate group.
        least: share of all its items that is surely found: the labeled ones by the most that the audit sample allows
            for, the upper end of its 95 % interval; None while that sample is too small.
        left: eligible items of the class that the model expects; None before the first model.
        kappa: mean agreement of the decisions of the last models; None while there are too few.
    """

    found: int
    least: float | None
    left: float | None
    kappa: float | None

    @property
    def stable(self) -> bool:
        """Whether decisions for the class have stopped to change."""
        return self.kappa is not None and self.kappa >= _STABLE

    @property
    def done(self) -> bool:
        """Whether the class needs no more places: witnesses of which one, the audit sample, saw no model's choice."""
        if self.least is None or self.left is None or not self.found:
            return False
        enough = _ENOUGH_IF_STABLE if self.stable else _ENOUGH_FOUND
        return self.least >= enough and self.left <= _FEW_LEFT * self.found


def weigh_evidence(
    pool: Pool, left: Doubles | None, shares: list[Interval] | None, kappas: Doubles | None
) -> list[Evidence]:
    """The evidence on each class, in the order of the pool's classes.

    Args:
        pool: The pool.
        left: (n_classes,) eligible items of each class that the model expects; None before the first model.
        shares: Of each class in the pool by the audit sample; None while that is too small to be asked.
        kappas: (n_classes,) as `workers.selection.stability.stability` gives them.
    """
    standing = len(pool.representatives)
    return [
        Evidence(
            found=count,
            least=None if shares is None else _surely(count, shares[column].high * standing),
            left=None if left is None else float(left[column]),
            kappa=None if kappas is None or np.isnan(kappas[column]) else float(kappas[column]),
        )
        for column, count in enumerate(pool.targets[pool.told].sum(axis=0).tolist())
    ]


def sentence(evidence: Evidence) -> str:
    """The evidence in words, without a capital or a full stop."""
    least, left, kappa = evidence.least, evidence.left, evidence.kappa
    told = [
        "too few audit items tell how much of it is found" if least is None else f"at least {least:.0%} is found",
        "no model expects more yet" if left is None else f"the model expects {left:,.0f} more items",
        "too few models to say whether decisions still change"
        if kappa is None
        else f"decisions {'have stopped to change' if evidence.stable else 'still change'} (kappa {kappa:.3f})",
    ]
    return ", ".join(told).replace("%", " %")


def _surely(found: int, most: float) -> float:
    return min(1.0, found / most) if most > 0 else 1.0
