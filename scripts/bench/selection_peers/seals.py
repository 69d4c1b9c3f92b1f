"""SEALS: only the neighbours of labeled items are looked at.

Coleman et al., "Similarity Search for Efficient Active Learning and Search of Rare Concepts" (2022), with margins as
the score that it restricts.
"""

import faiss
import numpy as np

from scripts.bench.selection_peers.peer import Seen
from scripts.bench.selection_peers.scores import doubt, highest
from shared.pool import Index

# Section 4 of the paper.
_NEIGHBOURS = 100


def seals(view: Seen, count: int) -> Index:
    """The items in most doubt among the 100 nearest neighbours of each labeled item; others when those are too few."""
    pool = view.pool
    eligible = pool.eligible
    near = np.zeros(len(eligible), dtype=bool)
    near[neighbours(view, np.flatnonzero(pool.labeled), _NEIGHBOURS)[0].ravel()] = True
    score = doubt(view, eligible)
    return eligible[highest(score + near, count)]  # doubt is 1 at most: no distant item comes before a near one


def neighbours(view: Seen, index: Index, count: int) -> tuple[Index, np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """The nearest eligible items of some items.

    Returns:
        Places among the eligible items and cosines, (len(index), count) each, fewer columns in a smaller pool.
    """
    pool = view.pool
    vectors = pool.vectors(pool.eligible)
    found = faiss.IndexFlatIP(vectors.shape[1])
    found.add(vectors)
    cosine, places = found.search(pool.vectors(index), min(count, len(vectors)))
    return places, cosine
