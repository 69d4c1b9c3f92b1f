"""How sure a share is that was counted on few items. Pure."""

from math import sqrt

# Of the normal distribution, for 95 %.
_Z = 1.959964


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
