"""How far probabilities come true: the reliability diagram, and the expected calibration error.

Bins hold equal shares of the pool and not equal ranges of probability, since most probabilities of rare classes are
near 0 and would share one bin (Nguyen and O'Connor, "Posterior Calibration and Exploratory Analysis for Natural
Language Processing Models", EMNLP 2015).
"""

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.training.calibration import Doubles
from workers.training.goals import Ratio
from workers.training.metrics import Interval

BINS = 10


def reliability(
    probability: Floats | Doubles, hits: Mask, weights: Doubles, ratio: Ratio, *, bins: int = BINS
) -> list[dict[str, float]]:
    """The reliability diagram of held-out predictions.

    Args:
        probability: (n,) what was predicted, n >= 1.
        hits: (n,) bool, whether it came true.
        weights: (n,) float64, what each prediction stands for.
        ratio: Intervals of weighted ratios over these predictions.
        bins: How many, at most.

    Returns:
        By rising probability, JSON-ready: the bin's mean `probability`, the `frequency` with which it came true with
        `low` and `high` of its 95 % interval, and the `share` of the weight that it holds.
    """
    of = _bins(probability, weights, bins)
    rows = []
    for number in range(int(of.max()) + 1):
        inside = (of == number).astype(np.float64)
        frequency = ratio(inside * hits, inside)
        if frequency is not None:
            mass = inside * weights
            rows.append(
                {
                    "probability": float(mass @ probability / mass.sum()),
                    "frequency": frequency.value,
                    "low": frequency.low,
                    "high": frequency.high,
                    "share": float(mass.sum() / weights.sum()),
                }
            )
    return rows


def expected_calibration_error(
    probability: Floats | Doubles,
    hits: Mask,
    weights: Doubles,
    families: Index,
    *,
    rng: np.random.Generator,
    bins: int = BINS,
    rounds: int = 500,
) -> Interval:
    """Mean distance between probability and frequency over the bins (Naeini et al. 2015), with a 95 % interval.

    Chance alone makes it positive, and resampling adds as much chance again. So the interval is the basic one (Davison
    and Hinkley, "Bootstrap Methods and their Application", 1997, section 5.2), which takes that back, and it begins at
    0 where perfect probabilities would err as much by chance (after Bröcker and Smith, "Increasing the Reliability of
    Reliability Diagrams", 2007). Families are drawn whole, bins stay.

    Args:
        probability: (n,) what was predicted, n >= 1.
        hits: (n,) bool, whether it came true.
        weights: (n,) float64, what each prediction stands for.
        families: (n,) predictions with equal numbers are drawn together.
        rng: Source of the draws.
        bins: How many, at most.
        rounds: Number of bootstrap samples.
    """
    of = _bins(probability, weights, bins)
    count = int(of.max()) + 1
    _, family = np.unique(families, return_inverse=True)
    size = int(family.max()) + 1
    # Everything the error needs of a family: by bin, how much more was predicted than came true.
    excess = np.zeros((size, count))
    np.add.at(excess, (family, of), weights * (probability - hits))
    mass = np.bincount(family, weights, minlength=size)
    value = float(np.abs(excess.sum(axis=0)).sum() / weights.sum())
    times = rng.multinomial(size, np.full(size, 1 / size), size=rounds).astype(np.float64)
    drawn = np.abs(times @ excess).sum(axis=1) / (times @ mass)
    by_chance = np.abs((times - 1) @ excess).sum(axis=1) / (times @ mass)  # around what was found, as around 0
    below, above = (2 * value - float(np.percentile(drawn, part)) for part in (97.5, 2.5))
    low = 0.0 if value <= np.percentile(by_chance, 97.5) else max(0.0, min(value, below))
    return Interval(value, low, max(value, above))


def _bins(probability: Floats | Doubles, weights: Doubles, bins: int) -> Index:
    """(n,) bins of about equal weight, by rising probability; equal probabilities share one."""
    values, place = np.unique(probability, return_inverse=True)
    mass = np.bincount(place, weights, minlength=len(values))
    middle = (mass.cumsum() - mass / 2) / mass.sum()
    _, of = np.unique(np.minimum(middle * bins, bins - 1).astype(np.int64), return_inverse=True)
    numbers: Index = of[place].astype(np.int64)
    return numbers
