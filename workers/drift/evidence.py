"""Evidence that gathers over windows: changes too small for one window to show.

For each category a few bets are held that its rate has become another one. A bet multiplies by a factor that is at most
1 in expectation while nothing changed, and each window begins a new bet beside the old ones: a mixture Shiryaev-Roberts
e-detector (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", NEJSDS
2023), which raises a false alarm in at most one of `threshold` windows in the mean, for ever. "Nothing changed" is
judged against a bound of the reference's rate, as the reference is a sample itself: bets against the plain rate raise a
false alarm sooner or later.
"""

import numpy as np

from workers.drift.channels import LEAST_SHARE
from workers.drift.detectors import Counts, Numbers, expected_between

# What the rate of a category may be multiplied by, from what is barely worth an alarm to what is plain at once.
_RISES, _FALLS = (1.25, 1.6, 2.5, 5.0), (0.75, 0.5, 0.1)
# Chance that any bound of the reference does not hold.
_MISS = 0.01
# A share may move by a tenth of itself before it counts as another mix.
_SLACK = 0.1
# Below 1 nothing is lost by beginning anew, and beyond this JSON and floats end while nothing is decided any more.
_POOREST, _RICHEST = 1.0, 1e12


def factors(counts: Counts, *, part: float, both_ways: bool) -> Numbers:
    """(j, k) what one window multiplies each bet on each category with.

    The number of items of a category is a sum of independent draws, so `r ** number` has at most the expectation
    `exp((r - 1) * expected number)`.

    Args:
        counts: Of the window and the reference.
        part: Of the chance that bounds fail, for these categories together.
        both_ways: Whether a fall counts too, and a mix of shares may move a little; else only a rise counts.
    """
    seen, items = counts.window.sum(axis=0), float(counts.window_size.sum())
    lower, upper = expected_between(counts, miss=_MISS * part / (2 * len(seen)))
    slack = _SLACK if both_ways else 0.0
    most, least = upper * (1 + slack) + LEAST_SHARE * items, lower * (1 - slack) - LEAST_SHARE * items
    bets = [_factor(rise, seen, most) for rise in _RISES]
    if both_ways:
        bets += [_factor(fall, seen, np.maximum(least, 0.0)) for fall in _FALLS]
    return np.stack(bets)


def gather(held: Numbers, gained: Numbers) -> Numbers:
    """(j, k) evidence after a window: `held` before it, and the factors `gained` by it."""
    grown = np.minimum(gained * (held + 1), _RICHEST)
    return np.where(grown < _POOREST, 0.0, grown)


def _factor(times: float, seen: Numbers, expected: Numbers) -> Numbers:
    exponent: Numbers = np.log(times) * seen - (times - 1) * expected
    return np.exp(np.minimum(exponent, 100.0))
