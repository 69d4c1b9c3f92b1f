"""Cluster-Margin: items in most doubt, one cluster after the other, small clusters first.

Citovsky et al., "Batch Active Learning at Scale" (2021), algorithms 1 and 2: the pool is clustered once, before the
first round, by average linkage.
"""

import faiss
import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from scripts.bench.selection_peers.peer import Seen
from scripts.bench.selection_peers.remembered import Remembered
from scripts.bench.selection_peers.scores import doubt, highest
from shared.pool import Floats, Index, Pool

# Candidates a place, and items a cluster on average: the setting of the paper's large experiment.
_CANDIDATES_A_PLACE = 10
_ITEMS_A_CLUSTER = 10
# Linkage takes the square of the number of items: it is done within cells of about so many, which k-means finds. Items
# of different cells are seldom near enough to be joined at this size of clusters.
_CELL = 1_000
_STEPS = 10


def cluster_margin(view: Seen, count: int) -> Index:
    """Of the items in most doubt, one of each cluster before a second of any, clusters with few of them first."""
    eligible = view.pool.eligible
    score = doubt(view, eligible)
    kept = highest(score, count * _CANDIDATES_A_PLACE)
    of = _clusters(view.pool)[eligible[kept]]
    _, inverse, sizes = np.unique(of, return_inverse=True, return_counts=True)
    turn = np.empty(len(kept), dtype=np.int64)
    for cluster in range(len(sizes)):
        members = np.flatnonzero(inverse == cluster)
        turn[members] = view.rng.permutation(len(members))  # the paper draws within a cluster at random
    order = np.lexsort((inverse, sizes[inverse], turn))
    return eligible[kept[order[:count]]]


def average_linkage(vectors: Floats, *, items_a_cluster: int, cell: int = _CELL) -> Index:
    """(n,) clusters of `vectors` (n, d), of so many items on average, by average linkage cut at one distance."""
    cells = _cells(vectors, max(1, round(len(vectors) / cell)))
    trees = {number: members for number in np.unique(cells) if len(members := np.flatnonzero(cells == number)) > 1}
    merges = {number: linkage(vectors[members], method="average") for number, members in trees.items()}
    heights = np.sort(np.concatenate([np.empty(0), *(tree[:, 2] for tree in merges.values())]))
    wanted = len(vectors) - max(1, round(len(vectors) / items_a_cluster))  # each merge makes one cluster less
    clusters = np.arange(len(vectors), dtype=np.int64)
    if not len(heights) or not wanted:
        return clusters
    cut = heights[min(wanted, len(heights)) - 1]
    for number, tree in merges.items():
        members = trees[number]
        of = fcluster(tree, cut, criterion="distance")
        clusters[members] = members[np.unique(of, return_index=True)[1]][of - 1]
    return clusters


def _cells(vectors: Floats, count: int) -> Index:
    if count == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    kmeans = faiss.Kmeans(vectors.shape[1], count, niter=_STEPS, seed=0)
    kmeans.train(vectors)
    of: Index = kmeans.index.search(vectors, 1)[1][:, 0]
    return of


def _cluster_pool(pool: Pool) -> Index:
    """(n,) clusters of the items that may ever be labeled; -1 for the others."""
    clusters = np.full(len(pool), -1, dtype=np.int64)
    clusters[pool.representatives] = average_linkage(
        pool.vectors(pool.representatives), items_a_cluster=_ITEMS_A_CLUSTER
    )
    return clusters


_clusters = Remembered(_cluster_pool)
