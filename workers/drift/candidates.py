"""What a campaign asks to be labeled: the drifted items, and the labeled items that the drift puts in doubt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index
from workers.drift.reference import nearest
from workers.drift.report import WindowReport
from workers.selection.clustering import cluster, spread

# Part of a campaign's budget for labeled items: are the old answers still right beside what is new?
_RELABEL_SHARE = 0.2


def campaign_candidates(
    report: WindowReport,
    *,
    vectors: NDArray[Any],
    ids: Index,
    labeled_vectors: NDArray[Any],
    labeled_ids: Index,
    budget: int,
    rng: np.random.Generator,
) -> dict[str, list[int]]:
    """The items of a campaign by channel, the most telling first; no id stands in both.

    `drift`: drifted items spread over clusters, the highest score of each cluster before a second of any, large
    clusters first. `relabel`: the labeled items nearest to them, a fifth of the budget at most. Both together are fewer
    than the budget when there are too few drifted items.

    Args:
        report: On the window; without drifted items there are no candidates.
        vectors: (n, d) float16 or float32, unit length, items of the window that may be labeled.
        ids: (n,) int64, these items.
        labeled_vectors: (m, d) float16 or float32, unit length, items that have a label.
        labeled_ids: (m,) int64, these items.
        budget: Most items of both channels together.
        rng: Seeds the clusters.
    """
    wanted = report.drifted & ~np.isin(report.ids, labeled_ids)
    found, rows, places = np.intersect1d(ids, report.ids[wanted], assume_unique=True, return_indices=True)
    if not len(found):
        return {"drift": [], "relabel": []}
    drifted = np.ascontiguousarray(vectors[rows], dtype=np.float32)
    doubtful = _nearest_labeled(drifted, labeled_vectors, labeled_ids)[: round(_RELABEL_SHARE * budget)]
    order = np.lexsort((found, -report.scores[wanted][places]))
    clusters = cluster(drifted, count=max(1, budget - len(doubtful)), rng=rng)
    first = spread(order, clusters, largest_first=True)[: budget - len(doubtful)]
    return {"drift": found[first].tolist(), "relabel": doubtful.tolist()}


def _nearest_labeled(drifted: Floats, labeled_vectors: NDArray[Any], labeled_ids: Index) -> Index:
    """All of `labeled_ids`, the one nearest to any drifted item first."""
    if not len(labeled_ids):
        return labeled_ids
    cosine, _ = nearest(drifted, labeled_vectors)
    order: Index = np.lexsort((labeled_ids, -np.round(cosine, 4)))  # what rounding may swap goes by id
    return labeled_ids[order]
