"""k-means on margins: uncertain items clustered by weight, one item a cluster.

Zhdanov, "Diverse mini-batch Active Learning" (2019).
"""

import faiss
import numpy as np

from scripts.bench.selection_peers.peer import Seen
from scripts.bench.selection_peers.scores import doubt, highest
from shared.pool import Index

# Section 3 of the paper: so many candidates a place, and 10 serves well.
_CANDIDATES_A_PLACE = 10
_STEPS = 20
_LEAST_WEIGHT = 1e-6


def kmeans_margin(view: Seen, count: int) -> Index:
    """Of the items in most doubt, the one nearest to each centre of k-means that weighs them by their doubt."""
    eligible = view.pool.eligible
    score = doubt(view, eligible)
    kept = highest(score, count * _CANDIDATES_A_PLACE)
    vectors = view.pool.vectors(eligible[kept])
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_STEPS,
        seed=int(view.rng.integers(2**31 - 1)),
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    kmeans.train(vectors, weights=np.maximum(score[kept], _LEAST_WEIGHT))
    squared = ((vectors**2).sum(axis=1)[:, None] - 2 * vectors @ np.asarray(kmeans.centroids).T).astype(np.float64)
    chosen = []
    for centre in range(count):
        nearest = int(squared[:, centre].argmin())
        chosen.append(nearest)
        squared[nearest] = np.inf
    return eligible[kept[chosen]]
