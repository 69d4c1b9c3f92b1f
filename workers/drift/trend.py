"""Is a number of the items, as a probability, higher or lower in the window than in the reference? Pure.

The mean of a class's probability is what tells best that its share moved: where the probabilities are right, it is the
score of the likelihood in that share, so that no other statistic finds a small move more often.
"""

import numpy as np
from scipy.special import ndtr

from workers.drift.detectors import Counts, Numbers, expected

# Newton's method is at the end of what floats can tell long before.
_ROUNDS, _STILL = 60, 1e-10
# Above this the normal approximation is as good, and a hundred classes are looked at in no time.
_LARGE_P = 0.05
# Where the window holds the highest scores of all there is no saddlepoint, and no correction by its curvature.
_FLAT = 1e-3


def moved(counts: Counts, scores: Numbers) -> float:
    """By how much the mean score of the window's items is above what it would be at the reference's rates."""
    items = max(int(counts.window_size.sum()), 1)
    return float((counts.window.sum(axis=0) - expected(counts)) @ scores) / items


def trend_p(counts: Counts, scores: Numbers) -> float:
    """Two-sided p of the sum of scores over the window's items, given all scores in each stratum.

    Without a change the window is a random part of the items of each stratum: a permutation test. Scores of rare
    classes are skewed, for which the normal approximation is wrong by several times where p is small, so p comes from
    the saddlepoint approximation to the permutation distribution: Skovgaard, "Saddlepoint expansions for conditional
    distributions" (Journal of Applied Probability 1987), in the form of Barndorff-Nielsen.

    Args:
        counts: Items by stratum and category; every item is in one.
        scores: (k,) of each category.
    """
    both = (counts.reference + counts.window).astype(np.float64)
    there = (counts.window_size > 0) & (counts.reference_size > 0)
    both, drawn = both[there], counts.window_size[there].astype(np.float64)
    if not len(both):
        return 1.0
    part = drawn / both.sum(axis=1)
    spread = _spread(both, np.broadcast_to(part[:, None], both.shape), scores)
    if spread <= 0.0:
        return 1.0
    scaled = (scores - float(both.sum(axis=0) @ scores) / both.sum()) / np.sqrt(spread)
    total = float(counts.window[there].sum(axis=0) @ scaled)
    z = total - float(part @ (both @ scaled))
    plain = float(2 * ndtr(-abs(z)))
    if plain > _LARGE_P:
        return plain
    start = np.log(part) - np.log1p(-part)
    levels, tilt = _saddlepoint(both, drawn, total, scaled, start)
    gain = _cumulant(both, start, 0.0, scaled) - start @ drawn
    gain -= _cumulant(both, levels, tilt, scaled) - levels @ drawn - tilt * total
    w = np.sqrt(2 * max(float(gain), 0.0))
    chance = _chances(levels, tilt, scaled)
    weight, weight_before = both * chance * (1 - chance), both * (part * (1 - part))[:, None]
    wider = _spread(both, chance, scaled) * np.exp(
        (np.log(weight.sum(axis=1)) - np.log(weight_before.sum(axis=1))).sum()
    )
    v = abs(tilt) * np.sqrt(wider)
    corrected = w if min(w, v) < _FLAT else w + np.log(v / w) / w
    return float(min(1.0, 2 * ndtr(-corrected)))


def _saddlepoint(both: Numbers, drawn: Numbers, total: float, scores: Numbers, start: Numbers) -> tuple[Numbers, float]:
    """The tilt, and a level a stratum, at which the expected sum and the items drawn are those that were seen."""
    levels, tilt = start.copy(), 0.0
    loss = _cumulant(both, levels, tilt, scores) - levels @ drawn - tilt * total
    for _ in range(_ROUNDS):
        chance = _chances(levels, tilt, scores)
        weight = both * chance * (1 - chance)
        by_level = (both * chance).sum(axis=1) - drawn
        by_tilt = float(((both * chance) @ scores).sum()) - total
        own, cross = np.maximum(weight.sum(axis=1), 1e-300), weight @ scores
        left = max(float((weight @ scores**2).sum() - (cross**2 / own).sum()), 1e-300)
        step = -(by_tilt - float((cross / own) @ by_level)) / left
        steps = -(by_level + cross * step) / own
        fall = -(float(by_level @ steps) + by_tilt * step)
        if fall < _STILL:
            break
        length = 1.0
        while length > 1e-6:
            there = levels + length * steps, tilt + length * step
            found = _cumulant(both, there[0], there[1], scores) - there[0] @ drawn - there[1] * total
            if found <= loss - 0.1 * length * fall:
                break
            length /= 2
        else:
            break
        levels, tilt, loss = there[0], there[1], found
    return levels, tilt


def _chances(levels: Numbers, tilt: float, scores: Numbers) -> Numbers:
    """(s, k) chance of an item of each stratum and category to be drawn."""
    chances: Numbers = 1 / (1 + np.exp(-np.clip(levels[:, None] + tilt * scores, -500, 500)))
    return chances


def _cumulant(both: Numbers, levels: Numbers, tilt: float, scores: Numbers) -> float:
    return float((both * np.logaddexp(0.0, levels[:, None] + tilt * scores)).sum())


def _spread(both: Numbers, chance: Numbers, scores: Numbers) -> float:
    """Variance of the sum of scores, of items drawn independently, once the number that was drawn is known."""
    weight = both * chance * (1 - chance)
    own = np.maximum(weight.sum(axis=1), 1e-300)
    middle = (weight @ scores) / own
    return float((weight * (scores - middle[:, None]) ** 2).sum())
