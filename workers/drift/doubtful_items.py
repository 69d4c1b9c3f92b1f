"""Candidates for a campaign against errors of the model: what it is least sure of among what came last. Pure.

Where the audit sample says that a model became worse, its own errors would be the best hint at what to label. But
labels that measure must not steer (see `workers.training.audit.sealed`): they only say that something is to be done.
"""

import numpy as np

from shared.pool import Floats, Index, Mask, Pool

# Of a campaign's places, for items that are labeled already: their labels may have changed meaning.
_AGAIN = 0.2
# New items that labeled ones are held against, and labeled ones at once.
_MOST_CENTRES, _BLOCK = 64, 8_192


def doubtful_candidates(
    pool: Pool, *, scores: Floats, since: Index, sealed: Mask, budget: int, exclusive: bool
) -> dict[str, list[int]]:
    """`Item.id` by kind: `drift`, new items, the least sure first; `relabel`, labeled ones near them.

    Args:
        pool: The pool.
        scores: (s, n_classes) decision scores of the items `since`, see `classifier.decision_scores`.
        since: (s,) positions of what came last.
        sealed: (n,) the audit sample and its families.
        budget: Items wanted.
        exclusive: Whether an item has exactly one class.
    """
    again = round(budget * _AGAIN)
    free = np.isin(since, pool.eligible)
    ranked = np.argsort(_sureness(scores[free], exclusive), kind="stable")
    chosen = since[free][ranked][: budget - again]
    labeled = np.flatnonzero(pool.labeled & ~pool.queued & ~sealed)
    return {"drift": pool.ids[chosen].tolist(), "relabel": _nearest(pool, labeled, chosen, again)}


def _sureness(scores: Floats, exclusive: bool) -> Floats:
    """(n,) how far the nearest other decision is away."""
    if not exclusive or scores.shape[1] < 2:
        nearest: Floats = np.abs(scores).min(axis=1)
        return nearest
    best = np.partition(scores, -2, axis=1)[:, -2:]
    gap: Floats = best[:, 1] - best[:, 0]
    return gap


def _nearest(pool: Pool, positions: Index, centres: Index, count: int) -> list[int]:
    if not len(centres):
        return []
    vectors = pool.vectors(centres[:_MOST_CENTRES])
    nearness = np.empty(len(positions), dtype=np.float32)
    for start in range(0, len(positions), _BLOCK):
        block = pool.vectors(positions[start : start + _BLOCK])
        nearness[start : start + _BLOCK] = (block @ vectors.T).max(axis=1)
    found: list[int] = pool.ids[positions[np.argsort(-nearness, kind="stable")[:count]]].tolist()
    return found
