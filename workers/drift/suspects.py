"""Labels that may be wrong: where a model that never saw the label contradicts it with confidence. Pure.

Confident learning after Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels"
(2021), sections 3.1 and 3.2: a class's threshold is the mean probability that held-out predictions give it on the items
that are labeled so, and an item counts as of another class where that class's probability is over its threshold, and
the largest of those that are. The package cleanlab (2.9, Apache 2.0) holds this and more; it would bring pandas
along for these few lines, so they are written here from the paper.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Mask


@dataclass(frozen=True)
class Contradicted:
    """Labeled items whose label a model contradicts, the most confidently contradicted first.

    Attributes:
        rows: (m,) int64, places among the items that were given.
        columns: (m,) int64, the class that the contradiction is about: the one that the item seems to be of, or where
            classes don't exclude each other, the one that the label lacks or has too much.
        margin: (m,) float32 in [0, 1], by how much probability the label is contradicted.
    """

    rows: Index
    columns: Index
    margin: Floats


def contradicted(probability: Floats, targets: Mask, *, exclusive: bool) -> Contradicted:
    """Find the labels that held-out predictions contradict.

    Args:
        probability: (n, k) float32, of each item by a model that saw neither it nor its family.
        targets: (n, k) bool, the labels.
        exclusive: Whether an item has exactly one class.
    """
    found = _one_class(probability, targets) if exclusive else _each_class(probability, targets)
    rows, columns, margin = found
    order = np.lexsort((rows, -margin))
    return Contradicted(rows[order], columns[order], margin[order].astype(np.float32))


_Found = tuple[Index, Index, NDArray[np.float64]]


def _one_class(probability: Floats, targets: Mask) -> _Found:
    said = probability.astype(np.float64)
    over = said >= _self_confidence(said, targets)
    likely = np.where(over, said, -1.0).argmax(axis=1)
    own = targets.argmax(axis=1)
    rows = np.flatnonzero(over.any(axis=1) & targets.any(axis=1) & (likely != own))
    gap = said[rows, likely[rows]] - said[rows, own[rows]]
    wrong = gap > 0  # over its threshold, but no more probable than the label itself: no contradiction
    return rows[wrong], likely[rows][wrong], gap[wrong]


def _each_class(probability: Floats, targets: Mask) -> _Found:
    """Of each item the class with the strongest contradiction: each class is a question with two answers."""
    said = probability.astype(np.float64)
    lacks = ~targets & (said >= _self_confidence(said, targets))
    too_much = targets & (1 - said >= _self_confidence(1 - said, ~targets))
    gap = np.where(lacks, 2 * said - 1, np.where(too_much, 1 - 2 * said, 0.0))
    strongest = gap.argmax(axis=1)
    margin = gap[np.arange(len(gap)), strongest]
    rows = np.flatnonzero(margin > 0)
    return rows, strongest[rows], margin[rows]


def _self_confidence(said: NDArray[np.float64], targets: Mask) -> NDArray[np.float64]:
    """(k,) mean probability of each class on the items labeled so; out of reach for a class without any."""
    counts = targets.sum(axis=0)
    mean: NDArray[np.float64] = np.divide(
        (said * targets).sum(axis=0), counts, out=np.full(len(counts), np.inf), where=counts > 0
    )
    return mean
