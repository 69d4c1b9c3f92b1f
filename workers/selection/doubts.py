"""What a model's probabilities may be off by. Pure.

Calibration holds over all labeled items together, not among those that no rule hits: there a model that was taught by
a first wave of 1,000, half of them hits, told three times as many items of the rules' class as there were. Held-out
predictions of labeled items show it, so the log-odds of each class get a shift, one for what no rule hits and one each
for the hits of descriptions and of the other rules:

- Before all evidence it is normal around 0, as the shifts of `workers.training.calibration` are.
- Held-out predictions of the labeled items of the kind speak for or against each shift: by it so many of them should be
  of the class.
- So does a guess of the class's share in the pool.
- What is chosen next is never quite like what was labeled, so no shift is surer than to a quarter.
"""

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from shared.pool import Floats, Index, Pool

Doubles = NDArray[np.float64]

# A person's guess of a share is taken to be right within this factor, with 95 %.
GUESS_FACTOR = 2.0
Z = 1.959964  # of the normal distribution, for 95 %

_PRIOR_SD, _NARROWEST_SD = 1.0, 0.25
# Below lies only what a model says that has not seen the class.
_UNSEEN = 1e-12
_KINDS = 3
_SHIFTS = np.linspace(-5, 5, 81)
# Items that stand for all of one kind.
_SAMPLE = 2_000


@dataclass(frozen=True)
class Doubts:
    """The shifts of one class.

    Attributes:
        weights: (n_kinds, n_shifts) how probable each shift is, 1 for each kind in all.
        means: (n_kinds, n_shifts) mean probability of the kind's items under each shift.
        parts: (n_kinds,) share of the pool.
    """

    weights: Doubles
    means: Doubles
    parts: Doubles

    def draw(self, draws: int, rng: np.random.Generator) -> Doubles:
        """(n_kinds, draws) shifts."""
        drawn = np.stack([rng.choice(_SHIFTS, draws, p=weights) for weights in self.weights])
        moved: Doubles = drawn + rng.normal(0, _NARROWEST_SD, drawn.shape)
        return moved

    def share(self, shifts: Doubles) -> Doubles:
        """(draws,) share of the class in the pool under shifts (n_kinds, draws)."""
        by_kind = (np.interp(shift, _SHIFTS, means) for shift, means in zip(shifts, self.means, strict=True))
        return sum((part * mean for part, mean in zip(self.parts, by_kind, strict=True)), np.zeros(shifts.shape[1]))


@dataclass(frozen=True)
class Kinds:
    """The items of a pool by the shift that holds for them.

    Attributes:
        of: (n,) 0 for what no rule hits, 1 for hits of descriptions alone, 2 for others.
        samples: for each kind positions that stand for all of it.
    """

    of: Index
    samples: tuple[Index, ...]

    @property
    def parts(self) -> Doubles:
        """(n_kinds,) share of the pool."""
        return np.bincount(self.of, minlength=_KINDS) / max(1, len(self.of))


def sort_kinds(pool: Pool, *, seed: int) -> Kinds:
    """Sort items by kind; the seed is that of the samples."""
    rng = np.random.default_rng(seed)
    hit, settled = pool.rule_hits.any(axis=1), pool.rule_hits[:, pool.rule_settled].any(axis=1)
    of = np.where(settled, 2, hit.astype(np.int64))
    members = [np.flatnonzero(of == kind) for kind in range(_KINDS)]
    return Kinds(
        of, tuple(some if len(some) <= _SAMPLE else rng.choice(some, _SAMPLE, replace=False) for some in members)
    )


def doubt(
    pool: Pool, kinds: Kinds, column: int, probability: Floats, held_out: Floats | None, *, guess: float | None
) -> Doubts:
    """The shifts of a class.

    Args:
        pool: The pool.
        kinds: Its items by kind.
        column: Of the class.
        probability: (n,) float32 calibrated, of every item.
        held_out: (n_labeled,) of each labeled item in the pool's order, by a model that did not see it; None if there
            are too few labels for that.
        guess: The share of the class in the pool, as a person thinks; None for no guess.
    """
    means = np.stack([_means(probability[sample].astype(np.float64)) for sample in kinds.samples])
    logs = np.tile(-(_SHIFTS**2) / (2 * _PRIOR_SD**2), (_KINDS, 1))
    if held_out is not None:
        labeled = np.flatnonzero(pool.labeled)[held_out > _UNSEEN]
        told = held_out[held_out > _UNSEEN].astype(np.float64)
        is_of_class = pool.targets[labeled, column]
        for kind in range(_KINDS):
            inside = kinds.of[labeled] == kind
            logs[kind] += _loglikelihood(told[inside], int(is_of_class[inside].sum()))
    if guess is not None:
        logs[0] += _guessed(guess, kinds.parts @ means)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return Doubts(weights / weights.sum(axis=1, keepdims=True), means, kinds.parts)


def draw_count(probability: Doubles, shifts: Doubles, rng: np.random.Generator) -> Doubles:
    """(draws,) how many items of these probabilities (n,) are of the class, under each shift (draws,).

    The items count as fewer ones that are all as probable, so that mean and variance are those of the real ones: items
    that the model is sure of add no luck.
    """
    moved = [expit(_odds(probability) + shift) for shift in _SHIFTS.tolist()]
    first = np.interp(shifts, _SHIFTS, [float(one.sum()) for one in moved])
    second = np.interp(shifts, _SHIFTS, [float((one**2).sum()) for one in moved])
    like = np.maximum(1, np.rint(first**2 / second)).astype(np.int64)
    return rng.binomial(like, np.minimum(1.0, first / like)).astype(np.float64)


def _means(probability: Doubles) -> Doubles:
    """(n_shifts,) mean of the probabilities (n,) under each shift; 0 for none."""
    odds = _odds(probability)
    return np.array([float(expit(odds + shift).mean()) if len(odds) else 0.0 for shift in _SHIFTS.tolist()])


def _odds(probability: Doubles) -> Doubles:
    odds: Doubles = logit(np.clip(probability, 1e-9, 1 - 1e-9))
    return odds


def _loglikelihood(probability: Doubles, found: int) -> Doubles:
    """(n_shifts,) of so many items of the class among those with these probabilities (n,), up to a constant."""
    odds = _odds(probability)
    return np.array([found * shift - float(np.logaddexp(0, odds + shift).sum()) for shift in _SHIFTS.tolist()])


def _guessed(guess: float, shares: Doubles) -> Doubles:
    """(n_shifts,) of a guess, if these were the shares."""
    logs: Doubles = -((np.log(np.maximum(shares, 1e-12)) - log(guess)) ** 2) / (2 * (log(GUESS_FACTOR) / Z) ** 2)
    return logs
