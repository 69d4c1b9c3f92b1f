"""What a campaign asks to be labeled: the new items that it is about, and the labeled items that they put in doubt."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index
from workers.drift.reference import nearest
from workers.drift.report import WindowReport
from workers.selection.clustering import cluster, spread

RELABEL_SHARE = 0.2
"""Part of a campaign's budget for labeled items: are the old answers still right beside what is new?"""
DRAWN_SHARE = 0.2
"""Part of it that is drawn by chance: what the new regime is measured on."""


def campaign_candidates(
    report: WindowReport,
    *,
    vectors: NDArray[Any],
    ids: Index,
    labeled_vectors: NDArray[Any],
    labeled_ids: Index,
    budget: int,
    rng: np.random.Generator,
    worth: Floats | None = None,
    drawn: Index | None = None,
) -> dict[str, list[int]]:
    """The items of a campaign about a window's drift, by kind: see `choose`.

    Args:
        report: On the window; without drifted items there are no candidates.
        vectors: (n, d) float16 or float32, unit length, items of the window that may be labeled.
        ids: (n,) int64, these items.
        labeled_vectors: (m, d) float16 or float32, unit length, items that have a label.
        labeled_ids: (m,) int64, these items.
        budget: Most items of all kinds together.
        rng: Seeds the clusters.
        worth: (n,) float32, see `workers.drift.worth`; None where no model can say.
        drawn: (k,) int64, items that chance chose, by their draw; at most a fifth of the budget is of use.
    """
    wanted = report.drifted & ~np.isin(report.ids, labeled_ids)
    _, rows, places = np.intersect1d(ids, report.ids[wanted], assume_unique=True, return_indices=True)
    return choose(
        vectors=np.asarray(vectors)[rows],
        ids=ids[rows],
        scores=report.scores[wanted][places],
        worth=None if worth is None else worth[rows],
        labeled_vectors=labeled_vectors,
        labeled_ids=labeled_ids,
        drawn=np.empty(0, dtype=np.int64) if drawn is None else drawn,
        budget=budget,
        rng=rng,
    )


def choose(
    *,
    vectors: NDArray[Any],
    ids: Index,
    scores: Floats | None,
    worth: Floats | None,
    labeled_vectors: NDArray[Any],
    labeled_ids: Index,
    drawn: Index,
    budget: int,
    rng: np.random.Generator,
) -> dict[str, list[int]]:
    """The items of a campaign by kind, the most telling first; no id stands twice.

    `audit`: what chance drew, a fifth of the budget at most. `relabel`: the labeled items nearest to the new ones,
    another fifth at most. `drift`: the new items, spread over clusters: each cluster gives its best before any gives a
    second, large clusters first. The best is by the mean of two ranks, that of the score and that of the worth. All
    together are fewer than the budget when there are too few new items.

    Args:
        vectors: (n, d) float16 or float32, unit length, the new items.
        ids: (n,) int64, these items.
        scores: (n,) float32, how much each belongs to what the campaign is about; None: all alike.
        worth: (n,) float32, how much its label would teach; None: all alike.
        labeled_vectors: (m, d) float16 or float32, unit length.
        labeled_ids: (m,) int64.
        drawn: (k,) int64, by their draw.
        budget: Most items of all kinds together.
        rng: Seeds the clusters.
    """
    if not len(ids):
        return {"drift": [], "relabel": [], "audit": []}
    asked = np.ascontiguousarray(vectors, dtype=np.float32)
    by_chance = drawn[: round(DRAWN_SHARE * budget)]
    doubtful = _nearest_labeled(asked, labeled_vectors, labeled_ids)[: round(RELABEL_SHARE * budget)]
    free = np.flatnonzero(~np.isin(ids, by_chance))
    places = budget - len(doubtful) - len(by_chance)
    first = free[_spread(asked[free], _best_first(ids, scores, worth)[free], places, rng)] if len(free) else free
    return {"drift": ids[first].tolist(), "relabel": doubtful.tolist(), "audit": by_chance.tolist()}


def _best_first(ids: Index, scores: Floats | None, worth: Floats | None) -> Index:
    """(n,) the rank of each item, 0 the best; among equals the lower id first."""
    total = np.zeros(len(ids))
    for value in (scores, worth):
        if value is not None:
            total += np.searchsorted(np.sort(-value), -value)
    ranks = np.empty(len(ids), dtype=np.int64)
    ranks[np.lexsort((ids, total))] = np.arange(len(ids))
    return ranks


def _spread(vectors: Floats, ranks: Index, places: int, rng: np.random.Generator) -> Index:
    """Positions of at most `places` of the items: one a cluster before a second, the best of each first."""
    if places <= 0:
        return np.empty(0, dtype=np.int64)
    clusters = cluster(vectors, count=places, rng=rng)
    return spread(np.argsort(ranks, kind="stable"), clusters, largest_first=True)[:places]


def _nearest_labeled(new: Floats, labeled_vectors: NDArray[Any], labeled_ids: Index) -> Index:
    """All of `labeled_ids`, the one nearest to any new item first."""
    if not len(labeled_ids):
        return labeled_ids
    cosine, _ = nearest(new, labeled_vectors)
    order: Index = np.lexsort((labeled_ids, -np.round(cosine, 4)))  # what rounding may swap goes by id
    return labeled_ids[order]
