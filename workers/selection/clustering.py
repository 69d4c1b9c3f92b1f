"""Clustering with FAISS, seeded, on one thread's worth of candidates."""

from dataclasses import dataclass

import faiss
import numpy as np

from shared.pool import Floats, Index

_STEPS = 15
# FAISS learns centroids from this many items a cluster at most: more change them little and cost time.
_MOST_PER_CLUSTER = 128


@dataclass(frozen=True)
class Clusters:
    """Clusters of n items.

    Attributes:
        of: (n,) int64, the cluster of each item.
        closeness: (n,) float32, cosine of each item with its cluster's centre.
        count: number of clusters.
    """

    of: Index
    closeness: Floats
    count: int


def cluster(vectors: Floats, *, count: int, rng: np.random.Generator) -> Clusters:
    """Spherical k-means.

    Args:
        vectors: (n, d) float32, unit length, n >= 1.
        count: Wanted number of clusters; n at most.
        rng: Gives the seed.
    """
    count = min(count, len(vectors))
    kmeans = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=_STEPS,
        spherical=True,
        seed=int(rng.integers(2**31 - 1)),
        min_points_per_centroid=1,
        max_points_per_centroid=_MOST_PER_CLUSTER,
    )
    kmeans.train(vectors)
    closeness, of = kmeans.index.search(vectors, 1)
    return Clusters(of[:, 0].astype(np.int64), closeness[:, 0].astype(np.float32), count)


def spread(order: Index, clusters: Clusters, *, largest_first: bool) -> Index:
    """Reorder items so that every cluster gives one before any gives a second.

    Args:
        order: (n,) positions into the clustered items, the most wanted first.
        clusters: Their clusters.
        largest_first: Whether large clusters (typical items) or small ones (rare items) go first.

    Returns:
        (n,) the same positions.
    """
    of = clusters.of[order]
    sizes = np.bincount(of, minlength=clusters.count)
    size = sizes[of] if not largest_first else -sizes[of]
    turn = _turn(of)
    reordered: Index = order[np.lexsort((np.arange(len(order)), of, size, turn))]
    return reordered


def _turn(of: Index) -> Index:
    """How many earlier entries are in the same cluster, for each entry."""
    by_cluster = np.argsort(of, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(of[by_cluster])) + 1]
    lengths = np.diff(np.r_[starts, len(of)])
    turn = np.empty(len(of), dtype=np.int64)
    turn[by_cluster] = np.arange(len(of)) - np.repeat(starts, lengths)
    return turn
