"""Decisions: from probabilities to classes, so that the expected macro-F1 over the pool is highest.

The most probable class is the wrong decision where F1 of rare classes counts: its best threshold is half of the
F1 that can be had (Lipton et al., "Optimal Thresholding of Classifiers to Maximize F1 Measure", 2014, theorem 1). It is
found by plugging the pool's own probabilities into the expected F1 (Ye et al., "Optimizing F-measure: A Tale of Two
Approaches", 2012): the pool is what decisions are for, and no label chosen by a model bends it.
"""

import numpy as np
from scipy.special import expit

from shared.pool import Floats, Index, Mask
from workers.training.calibration import Doubles

# Changes of a class's log-odds that are tried, none first, in two passes over the classes.
_STEPS = np.array([0.0, -2.0, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 2.0])
_PASSES = 2


def decide(scores: Floats | Doubles, *, exclusive: bool) -> Mask:
    """Decided classes (n, k) bool of decision scores (n, k): the highest, or all of 0 and more."""
    highest = np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]
    decided: Mask = highest if exclusive else scores >= 0
    return decided


def best_offsets(odds: Doubles, *, exclusive: bool) -> Doubles:
    """What to add to log-odds before deciding, so that expected macro-F1 is highest.

    Args:
        odds: (n, k) float64 calibrated log-odds of items of the pool, or log-probabilities where `exclusive`.
        exclusive: Whether an item gets exactly one class.

    Returns:
        (k,) float64.
    """
    return _for_exclusive(odds) if exclusive else _for_each(odds)


def _for_each(odds: Doubles) -> Doubles:
    """For each class the threshold of highest expected F1, which lies at one of the items."""
    falling = -np.sort(-odds, axis=0)
    probability = expit(falling)
    hits = probability.cumsum(axis=0)
    decided = np.arange(1, len(odds) + 1)[:, None]
    best = (2 * hits / (decided + probability.sum(axis=0))).argmax(axis=0)
    offsets: Doubles = -falling[best, np.arange(odds.shape[1])]
    return offsets


def _for_exclusive(odds: Doubles) -> Doubles:
    """Coordinate ascent over the classes, from the most probable class."""
    scores, rows = np.array(odds, order="C"), np.arange(len(odds))  # rows in one piece: each is searched often
    probability = np.exp(scores)
    expected = probability.sum(axis=0)
    offsets = np.zeros(odds.shape[1])
    for _ in range(_PASSES):
        for column in range(len(offsets)):
            scores[:, column] = -np.inf
            rival = scores.argmax(axis=1)
            to_beat = scores[rows, rival]
            best = -1.0
            for offset in offsets[column] + _STEPS:
                # In the arithmetic of whoever adds the offsets, and with ties broken as `decide` breaks them.
                own = odds[:, column] + offset
                wins = (own > to_beat) | ((own == to_beat) & (column < rival))
                value = _expected_f1(np.where(wins, column, rival), probability, expected)
                if value > best + 1e-6:
                    best, offsets[column] = value, offset
            scores[:, column] = odds[:, column] + offsets[column]
    return offsets


def _expected_f1(decided: Index, probability: Doubles, expected: Doubles) -> float:
    """Macro-F1 of deciding for one class (n,) an item, in expectation over the probabilities."""
    classes = len(expected)
    hits = np.bincount(decided, weights=probability[np.arange(len(decided)), decided], minlength=classes)
    said = np.bincount(decided, minlength=classes)
    return float((2 * hits / np.maximum(said + expected, 1e-9)).mean())
