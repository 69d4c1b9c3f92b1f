"""How much of the pool labeled items cover: two measures, and what random choice would have."""

import numpy as np

from shared.pool import Floats, Index, Pool
from workers.selection.clustering import cluster

# Of the fixed clustering: about 200 items each in a pool of 20,000.
CLUSTERS = 100
_DRAWS = 200


def mean_distance(vectors: Floats) -> float:
    """Mean pairwise cosine distance of unit vectors (n, d), n >= 2."""
    count, total = len(vectors), vectors.sum(axis=0, dtype=np.float64)
    own = float((vectors.astype(np.float64) ** 2).sum())
    return 1 - (float(total @ total) - own) / (count * (count - 1))


def fixed_clusters(pool: Pool) -> Index:
    """(n,) the cluster of each item in one k-means clustering of the whole pool, the same for all strategies."""
    everything = np.arange(len(pool))
    return cluster(pool.vectors(everything), count=min(CLUSTERS, len(pool)), rng=np.random.default_rng(0)).of


def touched(clusters: Index, positions: Index) -> int:
    """Clusters in which at least one of the items lies."""
    return len(np.unique(clusters[positions]))


def touched_by_chance(clusters: Index, candidates: Index, count: int) -> float:
    """Clusters that `count` random ones of the candidates touch, on average."""
    rng = np.random.default_rng(0)
    drawn = (rng.choice(candidates, min(count, len(candidates)), replace=False) for _ in range(_DRAWS))
    return float(np.mean([touched(clusters, some) for some in drawn]))
