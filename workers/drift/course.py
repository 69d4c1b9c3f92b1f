"""When a campaign is over. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.campaigns import Origin
from shared.pool import Mask
from workers.drift.reference import nearest

# A shift counts as explained once less than half of what was affected is still without a label or one near to it.
_EXPLAINED = 0.5
# Before so much of the budget came back, labels say little: of a kind that is new they may all be of one class.
_ENOUGH_SPENT = 0.5


@dataclass(frozen=True)
class Course:
    """Where a campaign stands.

    Attributes:
        origin: what brought it about.
        budget: most items.
        spent: items of it that were answered.
        open: items of it that wait on the annotation queue, whoever queued them.
        left: items that may still be asked for.
        refused: whether the last round was offered the oldest campaign's items and caps let none of them in.
        unexplained: part of the affected items that no label speaks for; None where nothing was affected.
        alarmed: whether the alarm that brought it about is live; None where that was no alarm.
    """

    origin: str
    budget: int
    spent: int
    open: int
    left: int
    refused: bool
    unexplained: float | None
    alarmed: bool | None


def ended(course: Course) -> str | None:
    """Why a campaign is over, in words; None while it goes on.

    The first of these that holds: its budget is spent; half of it is spent and the shift is explained, or the model's
    performance is back in its interval; nothing is left that may be asked for and nothing waits for an answer.
    """
    if course.spent >= course.budget:
        return f"its budget is spent: {course.spent:,} of {course.budget:,} items came back"
    if course.spent >= _ENOUGH_SPENT * course.budget:
        if course.origin == Origin.DRIFT and course.unexplained is not None and course.unexplained < _EXPLAINED:
            return (
                f"the shift is explained: {1 - course.unexplained:.0%} of the affected items have a label or a labeled "
                f"item near to them, after {course.spent:,} of {course.budget:,} items"
            )
        if course.origin == Origin.PERFORMANCE and course.alarmed is False:
            return f"the model is as good as before, after {course.spent:,} of {course.budget:,} items"
    if not course.open and not course.left:
        return f"nothing is left to ask for: {course.spent:,} of {course.budget:,} items came back"
    if not course.open and course.refused:
        return f"caps let none of the {course.left:,} items that are left into a batch"
    return None


def unexplained(affected: NDArray[Any], labeled: NDArray[Any], known: Mask, *, near: float) -> float | None:
    """Part of the affected items that neither have a label nor have a labeled item near to them; None of no items.

    Args:
        affected: (n, d) float16 or float32, unit length.
        labeled: (m, d) float16 or float32, unit length, items that have a label.
        known: (n,) bool, which of the affected have a label themselves.
        near: cosine from which a labeled item speaks for another one: what half of the reference's items have to the
            other half's nearest.
    """
    if not len(affected):
        return None
    if not len(labeled):
        return float((~known).mean())
    cosine, _ = nearest(labeled, affected)
    return float((~known & (cosine < np.float32(near))).mean())
