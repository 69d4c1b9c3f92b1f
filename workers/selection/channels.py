"""Channels: each proposes items for one reason, the most wanted first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index
from workers.selection.clustering import cluster, spread
from workers.selection.nearness import as_cosine, rounding
from workers.selection.needs import Need
from workers.selection.view import View

# Candidates that a channel clusters for each slot it has: enough that one a cluster is a real choice, and few
# enough that the least wanted of them is still wanted.
_CANDIDATES_PER_SLOT = 5
# At the boundary fewer: on noisy toxicity every step away from it cost macro-F1.
_BOUNDARY_PER_SLOT = 2
# Labeled items of one class whose neighbours are looked at.
_MOST_ANCHORS = 200
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
        wanted: (k,) int64, column of the class that each is proposed for, -1 where it is for none in particular.
    """

    index: Index
    score: Floats
    cluster: Index
    wanted: Index


def proposal(index: Index, score: Floats | None = None) -> Proposal:
    """Items for no class in particular, not clustered; the score is NaN where none is given."""
    nowhere = np.full(len(index), -1, np.int64)
    return Proposal(index, np.full(len(index), np.nan, np.float32) if score is None else score, nowhere, nowhere)


Channel = Callable[[View, int], Proposal]
"""Proposes for so many slots; more items than slots, since caps may refuse some."""


def boundary(view: View, slots: int) -> Proposal:
    """Items near a decision threshold, spread over clusters, small clusters first: margin sampling with diversity.

    After Citovsky et al., "Batch Active Learning at Scale" (2021), with FAISS k-means for the clusters.
    """
    eligible = view.pool.eligible
    return _diverse(view, eligible, indecision(view, eligible), slots, per_slot=_BOUNDARY_PER_SLOT)


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
    rare = known_rare(view)
    return _interleave(
        [
            _diverse(view, eligible, probability[eligible, need.column], -(-slots // len(rare)), wanted=need.column)
            for need in rare
        ]
    )


def anchor(view: View, slots: int) -> Proposal:
    """The nearest neighbours of labeled items of rare classes, those classes in turn.

    They hold kinds of a class that the linear model does not see: after AnchorAL (Lesci and Vlachos 2024) and SEALS
    (Coleman et al. 2022), which look only at neighbours.
    """
    pool, rare = view.pool, known_rare(view)
    anchors = {pool.classes[need.column]: _anchors(view, need) for need in rare}
    anchors = {name: positions for name, positions in anchors.items() if len(positions)}
    products = view.nearness.to(pool, anchors)
    places = -(-slots // max(1, len(rare)))
    return _interleave(
        [
            _nearest(view, anchors[name], products[name], places, wanted=need.column)
            for need in rare
            if (name := pool.classes[need.column]) in anchors
        ]
    )


def _nearest(view: View, anchors: Index, products: Floats, slots: int, *, wanted: int) -> Proposal:
    """Eligible items nearest to any of the anchors; `products` (n,) say nearly how near each is, and who may be."""
    pool, eligible = view.pool, view.pool.eligible
    near = as_cosine(products[eligible])
    last = near[_top(near, _CANDIDATES_PER_SLOT * slots)[-1:]]
    candidates = eligible[near >= last - 2 * rounding(pool.matrix.shape[1])] if len(last) else eligible
    closeness = (pool.vectors(candidates) @ pool.vectors(anchors).T).max(axis=1, initial=-1)
    return _diverse(view, candidates, closeness, slots, wanted=wanted)


def rule(view: View, slots: int) -> Proposal:
    """Items hit by seeding rules of classes that still lack examples, spread over clusters, the rules in turn."""
    pool, wanted = view.pool, wanted_rules(view)
    proposals = []
    for column in wanted:
        hits = pool.eligible[pool.rule_hits[pool.eligible, column]]
        proposals.append(
            _diverse(
                view,
                hits,
                pool.rule_scores[hits][:, wanted].sum(axis=1),
                -(-slots // len(wanted)),
                wanted=pool.classes.index(view.rules[column].label),
            )
        )
    return _interleave(proposals)


def wanted_rules(view: View) -> list[int]:
    """Columns of the rules that may propose: not stopped, with hits left, of a class that lacks labels."""
    lacking = lacks_examples(view)
    return [
        column
        for column, found in enumerate(view.rules)
        if lacking[view.pool.classes.index(found.label)] and not found.stopped and not found.exhausted
    ]


def known_rare(view: View) -> list[Need]:
    """Rare classes that have an example and of which the model expects one more, the one with fewest labels first."""
    known = [need for need in view.needs if need.rare and need.labels and need.left >= 1]
    return sorted(known, key=lambda need: need.labels / need.cost)


def hit_rate(view: View, need: Need, slots: int) -> float:
    """The mean probability of a class among its `slots` likeliest eligible items: what asking for them would yield."""
    score = _probability(view)[view.pool.eligible, need.column]
    return float(score[_top(score, slots)].mean()) if len(score) else 0.0


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
    return Proposal(seen[order], clusters.closeness[order], clusters.of[order], np.full(len(order), -1))


def chance(view: View, _slots: int) -> Proposal:
    """Eligible items in random order, every order equally likely."""
    return proposal(view.rng.permutation(view.pool.eligible))


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


def indecision(view: View, index: Index) -> Floats:
    """(k,) float32 in [0, 1]: how close each item is to the threshold at which the decision changes, 1 is on it.

    Thresholds of rare classes lie far below one half, where `uncertainty` sees nothing to ask.
    """
    if view.probability is None:
        raise ValueError("this channel needs a model")
    return view.indecision[index]


def lacks_examples(view: View) -> list[bool]:
    """For each class whether it still has fewer than 20 labeled items (or its target, if that is lower)."""
    return [
        count < min(20, view.config.targets.get(name, 20))
        for name, count in zip(view.pool.classes, view.pool.label_counts.tolist(), strict=True)
    ]


_NOTHING = proposal(np.empty(0, np.int64))


def _probability(view: View) -> Floats:
    if view.probability is None:
        raise ValueError("this channel needs a model")
    return view.probability


def _anchors(view: View, need: Need) -> Index:
    """Labeled items of a class, those with the largest draws if there are many; none of the audit sample, which would
    be predicted better than others if its neighbours were asked for."""
    members = np.flatnonzero(view.pool.labeled & view.pool.targets[:, need.column] & ~view.sealed)
    return np.sort(members[np.argsort(-view.pool.draws[members], kind="stable")[:_MOST_ANCHORS]])


def _sample(view: View, index: Index) -> Index:
    if len(index) <= _COVERAGE_SAMPLE:
        return index
    return np.sort(view.rng.choice(index, _COVERAGE_SAMPLE, replace=False))


def _best(index: Index, score: Floats, slots: int) -> Proposal:
    kept = _top(score, max(_CANDIDATES_PER_SLOT * slots, 100))
    return proposal(index[kept], score[kept])


def _diverse(
    view: View,
    index: Index,
    score: Floats,
    slots: int,
    *,
    per_slot: int = _CANDIDATES_PER_SLOT,
    wanted: int = -1,
) -> Proposal:
    """The best candidates, one a cluster before a second of any, small clusters first."""
    if not len(index):
        return _NOTHING
    kept = _top(score, per_slot * slots)
    clusters = cluster(view.pool.vectors(index[kept]), count=slots, rng=view.rng)
    order = spread(np.arange(len(kept)), clusters, largest_first=False)
    return Proposal(index[kept[order]], score[kept[order]], clusters.of[order], np.full(len(order), wanted))


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
        np.concatenate([proposal.wanted for proposal in proposals])[kept],
    )
