"""AnchorAL: the pool is narrowed to what lies near a few labeled items of each class.

Lesci and Vlachos, "AnchorAL: Computationally Efficient Active Learning for Large and Imbalanced Datasets" (2024), with
margins as the score on the narrowed pool.
"""

import numpy as np

from scripts.bench.selection_peers.peer import Seen
from scripts.bench.selection_peers.scores import doubt, highest
from scripts.bench.selection_peers.seals import neighbours
from shared.pool import Floats, Index

# Section 4 of the paper: anchors a class, neighbours an anchor, and the size of the narrowed pool.
_ANCHORS = 10
_NEIGHBOURS = 50
_SUBPOOL = 1_000


def anchoral(view: Seen, count: int) -> Index:
    """The items in most doubt among the 1,000 that are most like the anchors of each class; others when too few."""
    eligible = view.pool.eligible
    places, cosine = neighbours(view, anchors(view), _NEIGHBOURS)
    near = np.zeros(len(eligible), dtype=bool)
    near[subpool(places, cosine, _SUBPOOL)] = True
    return eligible[highest(doubt(view, eligible) + near, count)]  # doubt is 1 at most: near items come first


def anchors(view: Seen) -> Index:
    """Positions of up to 10 labeled items of each class, spread by k-means++."""
    pool = view.pool
    drawn = []
    for column in range(len(pool.classes)):
        members = np.flatnonzero(pool.labeled & pool.targets[:, column])
        if len(members):
            drawn.append(members[_spread(pool.vectors(members), min(_ANCHORS, len(members)), view.rng)])
    return np.concatenate(drawn)


def subpool(places: Index, cosine: Floats, size: int) -> Index:
    """Of all items found, those with the highest mean cosine to the anchors that found them."""
    found, inverse = np.unique(places.ravel(), return_inverse=True)
    mean = np.bincount(inverse, weights=cosine.ravel()) / np.bincount(inverse)
    return found[highest(mean.astype(np.float32), size)]


def _spread(vectors: Floats, count: int, rng: np.random.Generator) -> Index:
    """k-means++ (Arthur and Vassilvitskii 2007): by chance, in proportion to the squared distance to those drawn."""
    weight = np.ones(len(vectors))
    drawn = np.empty(count, dtype=np.int64)
    for place in range(count):
        total = np.cumsum(weight if weight.any() else np.isin(np.arange(len(vectors)), drawn[:place], invert=True))
        drawn[place] = np.searchsorted(total, rng.random() * total[-1], side="right")
        squared = np.maximum(((vectors - vectors[drawn[place]]) ** 2).sum(axis=1), 0)
        weight = np.minimum(weight, squared) if place else squared
    return drawn
