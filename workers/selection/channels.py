"""Channels: each proposes items for one reason, the most wanted first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index
from workers.selection.clustering import cluster, spread
from workers.selection.view import View

# Candidates that a channel clusters for each slot it has: enough that one a cluster is a real choice, and few
# enough that the least wanted of them is still wanted.
_CANDIDATES_PER_SLOT = 5
# Coverage looks at this many items at most, drawn at random: their clusters are those of the pool.
_COVERAGE_SAMPLE = 20_000
_MOST_COVERAGE_CLUSTERS = 500


@dataclass(frozen=True)
class Proposal:
    """Items that a channel proposes, the most wanted first.

    Attributes:
        index: (k,) positions in the pool.
        score: (k,) float32, the channel's own score, higher is more wanted.
        cluster: (k,) int64, cluster among the channel's candidates, -1 where it does not cluster.
    """

    index: Index
    score: Floats
    cluster: Index


Channel = Callable[[View, int], Proposal]
"""Proposes for so many slots; more items than slots, since caps may refuse some."""


def boundary(view: View, slots: int) -> Proposal:
    """Uncertain items, spread over clusters, small clusters first: margin sampling with diversity.

    After Citovsky et al., "Batch Active Learning at Scale" (2021), with FAISS k-means for the clusters.
    """
    eligible = view.pool.eligible
    return _diverse(view, eligible, uncertainty(view, eligible), slots)


def margin(view: View, slots: int) -> Proposal:
    """The least margin between the two most probable classes (Scheffer et al. 2001). A baseline, no diversity."""
    eligible = view.pool.eligible
    return _best(eligible, uncertainty(view, eligible), slots)


def entropy(view: View, slots: int) -> Proposal:
    """The highest predictive entropy (Settles and Craven 2008). A baseline, no diversity."""
    eligible = view.pool.eligible
    probability = _probability(view)[eligible].astype(np.float64)
    if view.config.task == "single":
        score = -(probability * np.log(np.maximum(probability, 1e-12))).sum(axis=1)
    else:
        kept = np.clip(probability, 1e-12, 1 - 1e-12)
        score = -(kept * np.log(kept) + (1 - kept) * np.log1p(-kept)).sum(axis=1)
    return _best(eligible, score.astype(np.float32), slots)


def likely(view: View, slots: int) -> Proposal:
    """Items that the model takes for rare classes, those classes in turn, the one with fewest labels first."""
    eligible, probability = view.pool.eligible, _probability(view)
    rare = np.flatnonzero(view.rare & (view.pool.label_counts > 0))
    rare = rare[np.argsort(view.pool.label_counts[rare], kind="stable")]
    proposals = [_diverse(view, eligible, probability[eligible, column], -(-slots // len(rare))) for column in rare]
    return _interleave(proposals)


def rule(view: View, slots: int) -> Proposal:
    """Items hit by seeding rules of classes that still lack examples, spread over clusters, the rules in turn."""
    pool = view.pool
    wanted = [
        column
        for column, name in enumerate(pool.rule_names)
        if lacks_examples(view)[pool.classes.index(_rule_class(view, name))]
    ]
    proposals = []
    for column in wanted:
        hits = pool.eligible[pool.rule_hits[pool.eligible, column]]
        if len(hits):
            score = pool.rule_hits[hits][:, wanted].sum(axis=1).astype(np.float32)
            proposals.append(_diverse(view, hits, score, -(-slots // len(wanted))))
    return _interleave(proposals)


def coverage(view: View, slots: int) -> Proposal:
    """Typical items of clusters without a label, large clusters first (after TypiClust, Hacohen et al. 2022)."""
    pool = view.pool
    known = np.flatnonzero(pool.labeled | pool.queued)
    seen = np.concatenate([_sample(view, pool.eligible), known])
    if not len(seen):
        return _NOTHING
    clusters = cluster(pool.vectors(seen), count=min(len(known) + slots, _MOST_COVERAGE_CLUSTERS), rng=view.rng)
    free = np.arange(len(seen)) < len(seen) - len(known)
    labels_inside = np.bincount(clusters.of[~free], minlength=clusters.count)[clusters.of]
    order = np.lexsort((np.arange(len(seen)), -clusters.closeness, labels_inside))
    order = spread(order[free[order]], clusters, largest_first=True)
    order = order[np.argsort(labels_inside[order], kind="stable")]
    return Proposal(seen[order], clusters.closeness[order], clusters.of[order])


def chance(view: View, _slots: int) -> Proposal:
    """Eligible items in random order, every order equally likely."""
    eligible = view.rng.permutation(view.pool.eligible)
    return Proposal(eligible, np.zeros(len(eligible), np.float32), np.full(len(eligible), -1, np.int64))


def uncertainty(view: View, index: Index) -> Floats:
    """(k,) float32 in [0, 1] of the items at `index`: 1 is a tie between two classes (or yes and no), 0 is certain."""
    probability = _probability(view)[index]
    if view.config.task != "single":
        doubt: Floats = (1 - 2 * np.abs(probability - 0.5)).max(axis=1)
        return doubt
    if probability.shape[1] == 1:
        return np.zeros(len(index), np.float32)
    top_two = np.partition(probability, -2, axis=1)[:, -2:]
    tie: Floats = 1 - (top_two[:, 1] - top_two[:, 0])
    return tie


def lacks_examples(view: View) -> list[bool]:
    """For each class whether it still has fewer than 20 labeled items (or its target, if that is lower)."""
    return [
        count < min(20, view.config.targets.get(name, 20))
        for name, count in zip(view.pool.classes, view.pool.label_counts.tolist(), strict=True)
    ]


_NOTHING = Proposal(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))


def _probability(view: View) -> Floats:
    if view.probability is None:
        raise ValueError("this channel needs a model")
    return view.probability


def _rule_class(view: View, name: str) -> str:
    return next(rule.label for rule in view.config.rules if rule.name == name)


def _sample(view: View, index: Index) -> Index:
    if len(index) <= _COVERAGE_SAMPLE:
        return index
    return np.sort(view.rng.choice(index, _COVERAGE_SAMPLE, replace=False))


def _best(index: Index, score: Floats, slots: int) -> Proposal:
    kept = _top(score, max(_CANDIDATES_PER_SLOT * slots, 100))
    return Proposal(index[kept], score[kept], np.full(len(kept), -1, np.int64))


def _diverse(view: View, index: Index, score: Floats, slots: int) -> Proposal:
    """The best candidates, one a cluster before a second of any, small clusters first."""
    if not len(index):
        return _NOTHING
    kept = _top(score, _CANDIDATES_PER_SLOT * slots)
    clusters = cluster(view.pool.vectors(index[kept]), count=slots, rng=view.rng)
    order = spread(np.arange(len(kept)), clusters, largest_first=False)
    return Proposal(index[kept[order]], score[kept[order]], clusters.of[order])


def _top(score: Floats, count: int) -> Index:
    """Positions of the `count` highest scores, the highest first; among equals the earlier."""
    if len(score) > count:
        cut = np.partition(score, len(score) - count)[len(score) - count]
        candidates = np.flatnonzero(score >= cut)
    else:
        candidates = np.arange(len(score))
    order: Index = candidates[np.argsort(-score[candidates], kind="stable")][:count]
    return order


def _interleave(proposals: list[Proposal]) -> Proposal:
    """One item of each proposal in turn; an item that several propose stands where it comes first."""
    if not proposals:
        return _NOTHING
    turn = np.concatenate([np.arange(len(proposal.index)) for proposal in proposals])
    order = np.argsort(turn, kind="stable")
    index = np.concatenate([proposal.index for proposal in proposals])[order]
    _, first = np.unique(index, return_index=True)
    kept = order[np.sort(first)]
    return Proposal(
        np.concatenate([proposal.index for proposal in proposals])[kept],
        np.concatenate([proposal.score for proposal in proposals])[kept],
        np.concatenate([proposal.cluster for proposal in proposals])[kept],
    )
