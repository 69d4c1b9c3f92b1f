"""Clumps: do items of a window lie closer together than half B and chance explain?

A new topic near to old ones is not novel item by item, but its items are each other's neighbours. Half B and the window
are pooled, and for an item of the window it is counted how many of its nearest neighbours come from the window too. The
graph of neighbours says nothing of who came from where, so that without a change this number is hypergeometric
(Schilling, "Multivariate two-sample tests based on nearest neighbors", JASA 1986, whose sum over all items would drown
a small clump; here each neighbourhood is tested by itself). With several sources it is a sum of such counts.

Only neighbourhoods of items that are rather far from half A are looked at, by a cut on both samples together, which
says nothing of who came from where either: new topics are seldom where half A is dense, and fewer tests find more.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from shared.pool import Floats, Index, Mask
from workers.drift.detectors import Numbers

# Neighbourhoods of so many items: a clump of 2 % of 1,000 items fills the smaller ones, one of 5 % the largest. Chosen
# with those of `_LOOKED_AT` on HWU64, CLINC150 and made-up topics, with seeds that no reported figure comes from.
_SIZES = (10, 20, 40)
# Of both samples together, the part farthest from half A.
_LOOKED_AT = 0.2
# Of a larger window every second item is looked at, or every third and so on: the cost grows with the square.
_MOST_ITEMS = 4_000
# Neighbourhoods of each size whose exact chance is worked out: those with most beyond what is expected.
_WORKED_OUT = 3


@dataclass(frozen=True)
class Clumps:
    """What a window holds that lies together.

    Attributes:
        p: of the neighbourhood that says most, corrected for the number that was looked at.
        items: (n,) bool, as many items of the window as are in excess, those in most of the neighbourhoods that chance
            does not explain.
        excess: items in these neighbourhoods beyond those that half B would lead to expect there; of a large window, of
            which a part is looked at, in all of it.
    """

    p: float
    items: Mask
    excess: float


def find_clumps(
    *,
    b_vectors: Floats,
    b_nearness: Floats,
    b_strata: Index,
    vectors: Floats,
    nearness: Floats,
    strata: Index,
    alpha: float,
) -> Clumps:
    """Look for clumps among the items of a window that have their like in half B.

    Args:
        b_vectors: (m, d) float32, unit length, half B.
        b_nearness: (m,) float32, to half A.
        b_strata: (m,) int64, -1 for what is left out.
        vectors: (n, d) float32, the window.
        nearness: (n,) float32.
        strata: (n,) int64, -1 for what is left out.
        alpha: Neighbourhoods below it, corrected for their number, make up `items`.
    """
    in_b, inside = np.flatnonzero(b_strata >= 0), np.flatnonzero(strata >= 0)
    each = max(1, -(-len(inside) // _MOST_ITEMS))
    inside = inside[::each]
    items = np.zeros(len(vectors), dtype=bool)
    count, size = len(inside), len(inside) + len(in_b)
    sizes = [k for k in _SIZES if k < size]
    if not (count and len(in_b) and sizes):
        return Clumps(1.0, items, 0.0)
    how_near = np.concatenate([nearness[inside], b_nearness[in_b]])
    far = how_near <= np.quantile(how_near, _LOOKED_AT)
    centres = np.flatnonzero(far[:count])
    pooled = np.concatenate([vectors[inside], b_vectors[in_b]])
    of = np.concatenate([strata[inside], b_strata[in_b]])
    near = _neighbours(pooled, centres, sizes[-1])
    tests = _usual_centres(of, far, count) * len(sizes)
    p, votes = np.ones(1), np.zeros(size)
    for k in sizes:
        chances, hot = _least_likely(near[:, :k], of, centres, count, nearness[inside[centres]])
        p = np.append(p, np.minimum(chances * tests, 1.0))
        np.add.at(votes, near[hot[chances * tests < alpha], :k].ravel(), 1 / k)  # a small one says more
    held, expected = int((votes[:count] > 0).sum()), float((votes[count:] > 0).sum()) * count / len(in_b)
    excess = max(0.0, held - expected)
    first = np.lexsort((nearness[inside], -votes[:count]))[: round(excess)]
    items[inside[first]] = True
    return Clumps(float(p.min()), items, excess * each)


def _usual_centres(of: Index, far: Mask, count: int) -> float:
    """Centres that both samples together lead to expect: the number that there are tells who came from where."""
    size, own = np.bincount(of), np.bincount(of[:count], minlength=int(of.max()) + 1)
    rate = own / np.maximum(size, 1)
    return float(rate[of[far]].sum())


def _neighbours(pooled: Floats, centres: Index, count: int) -> Index:
    """(c, count) the nearest of the pooled items, itself left out, of each centre, the nearest first."""
    cosine = pooled[centres] @ pooled.T
    cosine[np.arange(len(centres)), centres] = -np.inf
    some = np.argpartition(cosine, -count, axis=1)[:, -count:]
    order = np.argsort(-np.take_along_axis(cosine, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _least_likely(near: Index, of: Index, centres: Index, count: int, nearness: Floats) -> tuple[Numbers, Index]:
    """Chances of the neighbourhoods that hold most beyond what is expected, and which these are.

    Among equals those farthest from half A, as `nearness` (c,) of the centres tells.
    """
    strata = int(of.max()) + 1
    size, own = np.bincount(of, minlength=strata), np.bincount(of[:count], minlength=strata)
    drawn = np.stack([(of[near] == stratum).sum(axis=1) for stratum in range(strata)], axis=1)
    seen, rate = (near < count).sum(axis=1), own / np.maximum(size, 1)
    beyond, variance = seen - drawn @ rate, drawn @ (rate * (1 - rate))
    z = np.round(beyond / np.sqrt(np.maximum(variance, 1e-9)), 6)
    hot = np.lexsort((nearness, -z))[:_WORKED_OUT]
    itself = (np.arange(strata) == of[centres[hot], None]).astype(np.int64)  # no neighbour of its own
    log_factorial = gammaln(np.arange(1.0, len(of) + 2))
    chances = [
        _upper_tail(int(seen[row]), drawn[row], size - one, own - one, log_factorial)
        for row, one in zip(hot.tolist(), itself, strict=True)
    ]
    return np.array(chances), hot


def _upper_tail(seen: int, drawn: Index, size: Index, own: Index, log_factorial: Numbers) -> float:
    """Chance that, of `drawn` (s,) items out of `size` (s,) by stratum, at least `seen` are among `own` (s,)."""

    def log_choose(of: int, some: Index | int) -> Numbers:
        chosen: Numbers = log_factorial[of] - log_factorial[some] - log_factorial[of - np.asarray(some)]
        return chosen

    total = np.ones(1)
    for stratum in np.flatnonzero(drawn).tolist():
        draws, all_of, ours = int(drawn[stratum]), int(size[stratum]), int(own[stratum])
        hits = np.arange(max(0, draws - (all_of - ours)), min(draws, ours) + 1)
        chance = np.zeros(draws + 1)
        chance[hits] = np.exp(
            log_choose(ours, hits) + log_choose(all_of - ours, draws - hits) - log_choose(all_of, draws)
        )
        total = np.convolve(total, chance)
    return float(min(1.0, total[seen:].sum()))
