"""Coreset: greedy k-center.

Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach" (2018), algorithm 1.
"""

import numpy as np

from scripts.bench.selection_peers.peer import Seen
from shared.pool import Floats, Index

# Labeled vectors compared at once: the block of cosines stays small.
_BLOCK = 256


def coreset(view: Seen, count: int) -> Index:
    """Again and again the item that is farthest from all labeled and all chosen ones."""
    pool = view.pool
    eligible = pool.eligible
    vectors = pool.vectors(eligible)
    closest = _closest(vectors, pool.vectors(np.flatnonzero(pool.labeled | pool.queued)))
    chosen = np.empty(count, dtype=np.int64)
    for place in range(count):
        chosen[place] = farthest = int(closest.argmin())
        np.maximum(closest, vectors @ vectors[farthest], out=closest)
        closest[farthest] = np.inf  # never again
    return eligible[chosen]


def _closest(vectors: Floats, known: Floats) -> Floats:
    """(n,) cosine of each vector with the known one that is nearest to it; -1 without any."""
    closest = np.full(len(vectors), -1.0, dtype=np.float32)
    for start in range(0, len(known), _BLOCK):
        np.maximum(closest, (vectors @ known[start : start + _BLOCK].T).max(axis=1), out=closest)
    return closest
