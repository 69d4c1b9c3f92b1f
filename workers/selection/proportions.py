"""How sure a share is that was counted on few items. Pure."""

from math import hypot, sqrt

from workers.training.metrics import Interval

ENOUGH_AUDIT_ITEMS = 50
"""Labeled audit items from which on the sample is asked for the share of a class."""

# Of the normal distribution, for 95 %.
_Z = 1.959964
# A rule that surely brings less is not worth a person's time, however rare its class: without a hit after 381 labels.
_WORTHLESS = 0.01


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `hits` among `count` were seen; 0 to 1 when nothing was looked at.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927). Unlike the
    normal approximation it has a width at none and at all.
    """
    if not count:
        return 0.0, 1.0
    share, shrink = hits / count, 1 + _Z**2 / count
    centre = (share + _Z**2 / (2 * count)) / shrink
    half = _Z * sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / shrink
    return (max(0.0, centre - half) if hits else 0.0), (min(1.0, centre + half) if hits < count else 1.0)


def stops(precision: Interval, prior: Interval) -> bool:
    """Whether a seeding rule should get no more places: it surely finds less of its class than chance does, or hardly
    anything.

    Args:
        precision: Of the rule, measured.
        prior: Share of its class in the pool; an interval of no width where it is no count.
    """
    return is_below(precision, prior) or precision.high < _WORTHLESS


def is_below(one: Interval, other: Interval) -> bool:
    """Whether a share surely lies below another: the 95 % interval of their difference, combined from their own.

    Then `one.high` is below `other.value` as well; where `other` is no estimate, that is all that is asked. R. G.
    Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.
    """
    return one.value - other.value + hypot(one.high - one.value, other.value - other.low) < 0
