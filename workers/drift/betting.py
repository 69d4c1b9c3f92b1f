"""Betting on bounded losses: evidence that may be looked at after every answer, and intervals from it. Pure.

A loss is a ratio `sum(w * lost) / sum(w * base)`, such as missed items among those of a class. Whoever claims that it
is at most m has to accept a bet on each answer that pays in expectation nothing while the claim holds, so that a
fortune is evidence against it, whenever one looks (Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 2024, section 4). A few bets are held side by side instead of one that follows the
answers: after a long good time a bet that follows would have given up, and these begin anew with each report (Shin,
Ramdas and Rinaldo, "E-detectors", NEJSDS 2023).

Answers of one family count as one, and weights may differ as long as they are known before the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Index
from workers.training.intervals import Doubles
from workers.training.metrics import Interval

# What the odds of the loss may be multiplied by: each is the best bet against one change (Kelly 1956), from one that
# is barely worth knowing to one that is plain at once.
_ODDS = np.array([1.25, 1.5, 2.0, 3.0, 5.0, 10.0])
# Of what a bet may put at stake, so that no answer ruins it.
_MOST_AT_STAKE = 0.9
# Beyond this nothing is decided any more, and JSON still holds it.
_RICHEST = 1e12
_CLAIMS = np.linspace(0.005, 0.995, 100)


@dataclass(frozen=True)
class Answers:
    """A loss as a batch of answers shows it, one entry a family.

    Attributes:
        lost: (n,) weighted losses, between 0 and `base`.
        base: (n,) weights of what could be lost.
        most: the largest weight that any family has, known before its answer; no entry of `base` is larger.
    """

    lost: Doubles
    base: Doubles
    most: float

    @property
    def value(self) -> float | None:
        """The loss; None without a base."""
        whole = float(self.base.sum())
        return float(self.lost.sum()) / whole if whole > 0 else None


def gather(lost: Doubles, base: Doubles, weights: Doubles, families: Index) -> Answers:
    """Answers by family, with weights brought to a mean of 1.

    Args:
        lost: (m,) loss of each item, between 0 and `base`.
        base: (m,) what of it could be lost: 1, or 0 for an item that is not among those asked about.
        weights: (m,) positive, known before the answers.
        families: (m,) items with equal numbers count as one.
    """
    if not len(weights):
        return Answers(np.zeros(0), np.zeros(0), 1.0)
    inverse = np.unique(families, return_inverse=True)[1]
    weight = weights / weights.mean()
    totals = [np.bincount(inverse, weights=part).astype(np.float64) for part in (weight * lost, weight * base, weight)]
    return Answers(totals[0], totals[1], float(totals[2].max()))


def start() -> list[float]:
    """Fortunes before the first answer: nothing, until some is given to bet with."""
    return [0.0] * len(_ODDS)


def play(fortunes: Sequence[float], answers: Answers, *, level: float, given: float) -> list[float]:
    """Fortunes after one more batch.

    Together they reach 1 with no more chance than all that was ever given to them, as long as the loss stays at most
    `level`.

    Args:
        fortunes: As `start` or an earlier call returned them.
        answers: The batch.
        level: The claim, in (0, 1); may be another one with each batch.
        given: What is added to bet with, before the batch is seen.
    """
    stake = np.minimum(_kelly(np.array([level]))[:, 0], _MOST_AT_STAKE / (level * answers.most))
    growth = np.log1p(stake[:, None] * (answers.lost - level * answers.base)).sum(axis=1)
    with np.errstate(over="ignore"):
        after = (np.asarray(fortunes) + given / len(_ODDS)) * np.exp(growth)
    return [float(fortune) for fortune in np.minimum(after, _RICHEST)]


def interval(answers: Answers, *, alpha: float) -> Interval | None:
    """The loss with the claims that betting on both sides does not refute at level `alpha`; None without a base.

    Args:
        answers: All that is known.
        alpha: Chance that the loss lies outside.
    """
    value = answers.value
    if value is None:
        return None
    claims = _CLAIMS
    above = _growth(answers.lost, answers.base, answers.most, claims)
    below = _growth(answers.base - answers.lost, answers.base, answers.most, 1 - claims)
    evidence = np.logaddexp(above, below) - np.log(2)
    held = claims[evidence < np.log(1 / alpha)]
    step = claims[1] - claims[0]
    if not len(held):
        return Interval(value, max(0.0, value - step), min(1.0, value + step))
    low, high = (held[0] - step, held[-1] + step) if len(held) > 1 else (held[0] - step, held[0] + step)
    return Interval(value, min(value, max(0.0, float(low))), max(value, min(1.0, float(high))))


def _growth(lost: Doubles, base: Doubles, most: float, claims: Doubles) -> Doubles:
    """(k,) log of the mean fortune against each claim that the loss is at most so much."""
    stake = np.minimum(_kelly(claims), _MOST_AT_STAKE / (claims * most))
    # In place of one array (bets, claims, answers): few bets, one after the other.
    by_bet = [np.log1p(bet[:, None] * (lost - claims[:, None] * base)).sum(axis=1) for bet in stake]
    found: Doubles = np.logaddexp.reduce(by_bet, axis=0) - np.log(len(stake))
    return found


def _kelly(claims: Doubles) -> Doubles:
    """(bets, claims) what to put at stake on each unit, were the odds so many times those of the claim."""
    odds = _ODDS[:, None] * claims / (1 - claims)
    otherwise = odds / (1 + odds)
    stakes: Doubles = (otherwise - claims) / (claims * (1 - claims))
    return stakes
