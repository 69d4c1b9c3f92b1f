"""TypiClust: typical items of clusters that have no label yet.

Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets" (2022).
"""

from itertools import cycle

import faiss
import numpy as np

from scripts.bench.selection_peers.peer import Seen
from shared.pool import Floats, Index

# Appendix F of the paper: clusters at most, neighbours that typicality looks at, and the size that is no cluster yet.
_MOST_CLUSTERS = 500
_NEIGHBOURS = 20
_TOO_SMALL = 5
# The authors take mini batches above 50 clusters; so many items a cluster to learn the centres from are as quick.
_LEARN_FROM = 32
_STEPS = 10


def typiclust(view: Seen, count: int) -> Index:
    """The most typical item of each cluster in turn: clusters with fewest labels first, among those large ones."""
    pool = view.pool
    known = np.flatnonzero(pool.labeled | pool.queued)
    seen = np.concatenate([known, pool.eligible])
    vectors = pool.vectors(seen)
    clusters = min(len(known) + count, _MOST_CLUSTERS, len(seen))
    of = _cluster(vectors, clusters, seed=int(view.rng.integers(2**31 - 1)))
    labels, sizes = np.bincount(of[: len(known)], minlength=clusters), np.bincount(of, minlength=clusters)
    order = np.lexsort((-sizes, labels))
    order = np.concatenate([order[sizes[order] > _TOO_SMALL], order[sizes[order] <= _TOO_SMALL]])
    free = np.arange(len(seen)) >= len(known)
    chosen: list[int] = []
    for cluster in cycle(order.tolist()):
        if len(chosen) == count:
            break
        members = np.flatnonzero(free & (of == cluster))
        if len(members):
            chosen.append(int(members[typicality(vectors[members]).argmax()]))
            free[chosen[-1]] = False
    return seen[chosen]


def typicality(vectors: Floats, neighbours: int = _NEIGHBOURS) -> Floats:
    """(n,) one over the mean distance to the nearest others, of `vectors` (n, d) of unit length.

    In a small cluster only half of it are neighbours.
    """
    count = min(neighbours, len(vectors) // 2)
    if not count:
        return np.ones(len(vectors), np.float32)
    cosine = vectors @ vectors.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = -np.partition(-cosine, count - 1, axis=1)[:, :count]
    typical: Floats = 1 / (np.sqrt(np.maximum(2 - 2 * nearest, 0)).mean(axis=1) + 1e-5)
    return typical


def _cluster(vectors: Floats, count: int, *, seed: int) -> Index:
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_STEPS,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=_LEARN_FROM,
    )
    kmeans.train(vectors)
    of: Index = kmeans.index.search(vectors, 1)[1][:, 0]
    return of
