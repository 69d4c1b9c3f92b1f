"""Class shares of a window that nobody labeled yet, from what the model says of it. Pure.

Counts of decisions tell a rare class's share wrongly by all that the model errs. If texts of a class look as they did
and only the shares of the classes moved, the shares of a window are those under which its corrected probabilities
average to themselves (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 2002), beside what they average to on the audit sample (Alexandari, Kundaje and
Shrikumar, "Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation", ICML 2020).
Where a doubled rare class is noisy (hate speech), that missed its share by 22 % and the inverse of the matrix of errors
(Lipton, Wang and Smola, "Detecting and Correcting for Label Shift with Black Box Predictors", ICML 2018) by half; on
clean sets all are within 10 %: `scripts/bench/label_shift`. The matrix says where nothing can be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from shared.pool import Floats, Index, Mask
from workers.training.intervals import Doubles
from workers.training.metrics import Interval
from workers.training.prior_shift import new_shares

# Beyond this small errors of the audit sample become large ones of the shares.
_WORST_CONDITION = 30.0
# Audit labels of a class that its column of chances may rest on.
_FEWEST = 20
_ROUNDS = 200
_OTHERS = "all other classes"
# Items of each side, drawn at random from more: beyond that the audit sample is what limits.
_MOST_ITEMS = 1_500
# How near the shares of a bootstrap draw are searched for.
_STILL = 1e-4
_TINY = 1e-9


@dataclass(frozen=True)
class Audited:
    """Answered audit items with what a model said of them that saw neither the item nor its family.

    Attributes:
        targets: (m, k) bool, the answers.
        said: (m, k) probabilities.
        weights: (m,) items of the pool that each stands for.
        strata: (m,) items with equal numbers were drawn from one stratum.
        families: (m,) items with equal numbers resemble each other and count as one draw.
    """

    targets: Mask
    said: Floats | Doubles
    weights: Doubles
    strata: Index
    families: Index


@dataclass(frozen=True)
class ShareShift:
    """A class's share before and after, with 95 % intervals, and the interval of what was added.

    Attributes:
        moved: whether the change is plain: the interval of the difference, one for all classes, leaves 0 out.
    """

    before: Interval
    after: Interval
    change: Interval
    moved: bool


@dataclass(frozen=True)
class LabelShift:
    """Shares of the classes.

    Attributes:
        shares: by class, of those that can be told; `all other classes` stands for those that can't.
        suppressed: class -> why its share can't be told.
        condition: of the matrix of chances; None where there is none.
    """

    shares: dict[str, ShareShift]
    suppressed: dict[str, str]
    condition: float | None


def estimate(
    audited: Audited,
    *,
    before: Floats | Doubles,
    after: Floats | Doubles,
    classes: Sequence[str],
    exclusive: bool,
    rng: np.random.Generator,
) -> LabelShift:
    """How the shares of the classes differ between two runs of items.

    Args:
        audited: Tells how the model errs.
        before: (n, k) probabilities of items of the reference, as `audited.said`.
        after: (n', k) probabilities of a window's items.
        classes: Names of the k columns.
        exclusive: Whether an item has exactly one class; otherwise each class is told apart from its absence.
        rng: Source of the bootstrap, which draws audit families and items anew together.
    """
    if not len(before) or not len(after) or not len(audited.targets):
        return LabelShift({}, dict.fromkeys(classes, "there are no predictions to compare"), None)
    if exclusive:
        return _of_exclusive(audited, before, after, classes, rng)
    shares, suppressed, conditions = dict[str, ShareShift](), dict[str, str](), [0.0]
    for column, label in enumerate(classes):
        one = Audited(_both(audited.targets, column) > 0, _both(audited.said, column), *_drawn(audited))
        found = _estimate(one, _both(before, column), _both(after, column), (label, _OTHERS), rng, tests=len(classes))
        shares |= {name: share for name, share in found.shares.items() if name == label}
        suppressed |= {name: why for name, why in found.suppressed.items() if name == label}
        conditions.append(found.condition or 0.0)
    return LabelShift(shares, suppressed, max(conditions) or None)


def chances(targets: Mask, said: Floats | Doubles, weights: Doubles) -> Doubles:
    """(k, k) mean of the probabilities (or decisions), by row, of items of each class, by column."""
    of_class = targets * weights[:, None]
    found: Doubles = (said.T.astype(np.float64) @ of_class) / np.maximum(of_class.sum(axis=0), 1e-12)
    return found


def _of_exclusive(
    audited: Audited,
    before: Floats | Doubles,
    after: Floats | Doubles,
    classes: Sequence[str],
    rng: np.random.Generator,
) -> LabelShift:
    """Classes with too few audit labels are told apart from the others only as one, with the next rare if need be."""
    counts = audited.targets.sum(axis=0)
    few = counts < _FEWEST
    suppressed = {
        label: f"it has {count} audit labels, and {_FEWEST} are needed"
        for label, count in zip(classes, counts.tolist(), strict=True)
        if count < _FEWEST
    }
    for column in np.argsort(counts, kind="stable").tolist():
        if few.any() and not few[column] and counts[few].sum() < _FEWEST:
            few[column] = True
            suppressed[classes[column]] = "the classes with too few audit labels could not be told apart from it"
    kept = np.flatnonzero(~few)
    if len(kept) + few.any() < 2:
        return LabelShift({}, dict.fromkeys(classes, "too few audit labels of all classes but one"), None)
    names = [classes[column] for column in kept.tolist()] + ([_OTHERS] if few.any() else [])

    def merged(values: Floats | Doubles | Mask) -> Doubles:
        rest = values[:, few].sum(axis=1, keepdims=True)
        return np.hstack([values[:, kept], rest] if few.any() else [values[:, kept]]).astype(np.float64)

    one = Audited(merged(audited.targets).astype(bool), merged(audited.said), *_drawn(audited))
    found = _estimate(one, merged(before), merged(after), names, rng, tests=1)
    return LabelShift(found.shares, suppressed | found.suppressed, found.condition)


def _estimate(
    audited: Audited, before: Doubles, after: Doubles, names: Sequence[str], rng: np.random.Generator, *, tests: int
) -> LabelShift:
    """Of classes that exclude each other; `tests` such estimates share one chance to be wrong."""
    matrix = chances(audited.targets, audited.said, audited.weights)
    counts = audited.targets.sum(axis=0)
    condition = float(np.linalg.cond(matrix))
    why = None
    if counts.min() < _FEWEST:
        why = f"there are {int(counts.min())} audit labels of {names[int(counts.argmin())]}, and {_FEWEST} are needed"
    elif not condition <= _WORST_CONDITION:
        why = f"the model tells the classes apart too badly (condition {condition:.0f}, at most {_WORST_CONDITION:.0f})"
    if why is not None:
        return LabelShift({}, dict.fromkeys(names, why), condition)
    sides = [_some(part, rng) for part in (before, after)]
    found, truth = _shares(audited, audited.weights, sides)
    drawn = np.array([_redrawn(audited, sides, found, truth, rng) for _ in range(_ROUNDS)])
    # One interval for all differences: the share of draws that any of them leaves out, by their largest distance.
    gap, gaps = found[1] - found[0], drawn[:, 1] - drawn[:, 0]
    spread = gaps.std(axis=0, ddof=1)
    far = np.abs(gaps - gaps.mean(axis=0)) / np.maximum(spread, 1e-12)
    wrong = 0.05 / tests
    reach = max(float(np.quantile(far.max(axis=1), 1 - wrong)), float(-ndtri(wrong / 2)))  # few draws reach that far
    shares = {}
    for place, name in enumerate(names):
        ends = [
            Interval(float(value), *_percentiles(float(value), draws))
            for value, draws in zip(found[:, place], drawn[:, :, place].T, strict=True)
        ]
        half = reach * float(spread[place])
        change = Interval(float(gap[place]), float(gap[place]) - half, float(gap[place]) + half)
        shares[name] = ShareShift(ends[0], ends[1], change, abs(change.value) > half)
    return LabelShift(shares, {}, condition)


def _shares(
    audited: Audited, weights: Doubles, sides: Sequence[Doubles], start: Doubles | None = None
) -> tuple[Doubles, Doubles]:
    """(2, k) shares of both sides, and (k,) how many times as frequent each class truly is on the audit sample as the
    probabilities there say."""
    said: Doubles = weights @ audited.said.astype(np.float64) + _TINY
    known = said / said.sum()
    true = weights @ audited.targets / weights.sum() + _TINY
    still = {} if start is None else {"still": _STILL}
    found = [
        new_shares(side, known, start=None if start is None else start[place], **still)
        for place, side in enumerate(sides)
    ]
    return np.array(found), true / known


def _redrawn(
    audited: Audited, sides: Sequence[Doubles], found: Doubles, truth: Doubles, rng: np.random.Generator
) -> Doubles:
    """(2, k) shares before and after from audit families, drawn within strata, and items that are drawn anew.

    Probabilities that are off in the mean, as the labels drawn say, would make the shares as wrong: that counts too.
    """
    first, family = np.unique(audited.families, return_index=True, return_inverse=True)[1:]
    strata = audited.strata[first]
    times = np.zeros(len(first))
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        times[inside] = rng.multinomial(len(inside), np.full(len(inside), 1 / len(inside)))
    again = [side[rng.integers(len(side), size=len(side))] for side in sides]
    drawn, other = _shares(audited, audited.weights * times[family], again, start=found)
    moved = drawn * (other / truth)
    shares: Doubles = moved / moved.sum(axis=1, keepdims=True)
    return shares


def _some(said: Doubles, rng: np.random.Generator) -> Doubles:
    return said if len(said) <= _MOST_ITEMS else said[rng.choice(len(said), _MOST_ITEMS, replace=False)]


def _percentiles(value: float, draws: Doubles) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return min(value, low), max(value, high)


def _both(values: Floats | Doubles | Mask, column: int) -> Doubles:
    """(n, 2) a class and its absence."""
    one = values[:, column].astype(np.float64)
    return np.column_stack([one, 1 - one])


def _drawn(audited: Audited) -> tuple[Doubles, Index, Index]:
    return audited.weights, audited.strata, audited.families
