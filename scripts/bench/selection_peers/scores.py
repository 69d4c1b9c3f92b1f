"""Scores that several peers rank items by."""

import numpy as np

from scripts.bench.selection_peers.peer import Seen, probabilities
from shared.pool import Floats, Index
from shared.project import Task


def doubt(view: Seen, index: Index) -> Floats:
    """(len(index),) float32 in [0, 1], one minus the margin: 1 is a tie, 0 is certain.

    The margin lies between the two most probable classes (Scheffer, Decomain and Wrobel 2001); where an item may have
    any number of classes, between yes and no for the class in most doubt.
    """
    return tie(probabilities(view)[index], exclusive=view.config.task is Task.SINGLE)


def tie(probability: Floats, *, exclusive: bool) -> Floats:
    """(n,) one minus the margin, of probabilities (n, n_classes)."""
    if not exclusive:
        undecided: Floats = (1 - np.abs(2 * probability - 1)).max(axis=1)
        return undecided
    if probability.shape[1] < 2:
        return np.zeros(len(probability), np.float32)
    top_two = np.partition(probability, -2, axis=1)[:, -2:]
    tied: Floats = 1 - (top_two[:, 1] - top_two[:, 0])
    return tied


def highest(score: Floats, count: int) -> Index:
    """Positions of the `count` highest scores, the highest first; among equals the earlier."""
    order: Index = np.argsort(-score, kind="stable")[:count]
    return order


def first_of_each(index: Index) -> Index:
    """The same numbers without those that stood before, in the same order."""
    kept: Index = index[np.sort(np.unique(index, return_index=True)[1])]
    return kept
