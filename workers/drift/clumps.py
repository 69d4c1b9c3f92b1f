"""Clumps: do items of a window lie closer together than half B and chance explain?

A new topic near to old ones is not novel item by item, but its items are each other's neighbours. Half B and the window
are pooled, and for an item of the window it is counted how many of its nearest neighbours come from the window too. The
graph of neighbours says nothing of who came from where, so that without a change this number is hypergeometric
(Schilling, "Multivariate two-sample tests based on nearest neighbors", JASA 1986, whose sum over all items would drown
a small clump; here each neighbourhood is tested by itself). With several sources it is a sum of such counts.

Only neighbourhoods of items that are rather far from half A are looked at, and the nearest to half A are no one's
neighbours, by cuts on both samples together, which say nothing of who came from where either: new topics are seldom
where half A is dense, and fewer tests find more.
"""

from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.drift.detectors import Numbers, upper_tails

# Neighbourhoods of so many items: a clump of 2 % of 1,000 items fills the smaller ones, one of 5 % the largest. Chosen
# with those of `_LOOKED_AT` on HWU64, CLINC150 and made-up topics, with seeds that no reported figure comes from.
_SIZES = (10, 20, 40)
# Of both samples together, the part farthest from half A whose neighbourhoods are looked at, and the part in which
# their neighbours are: the densest part of half A's topics holds few new items and many others.
_LOOKED_AT, _NEIGHBOURS = 0.2, 0.75
# Of a larger window every second item is looked at, or every third and so on: the cost grows with the square.
_MOST_ITEMS = 4_000
# Items whose neighbourhoods in all of both samples are found: a look at the far items alone, at a fifth of the cost,
# tells which. Chosen as `_SIZES`: as many new intents are found as by all.
_LOOKED_INTO = 32
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
    how_near, count = np.concatenate([nearness[inside], b_nearness[in_b]]), len(inside)
    if not len(how_near):
        return Clumps(1.0, items, 0.0)
    at, among = np.quantile(how_near, (_LOOKED_AT, _NEIGHBOURS))
    inside, in_b = inside[how_near[:count] <= among], in_b[how_near[count:] <= among]
    count, size = len(inside), len(inside) + len(in_b)
    sizes = [k for k in _SIZES if k < size]
    if not (count and len(in_b) and sizes):
        return Clumps(1.0, items, 0.0)
    far = np.concatenate([nearness[inside], b_nearness[in_b]]) <= at
    centres = _promising(vectors[inside[far[:count]]], b_vectors[in_b[far[count:]]], far[:count])
    if not len(centres):
        return Clumps(1.0, items, 0.0)
    some = vectors[inside[centres]]
    # The few on the right: half the time of the product the other way round, and the numbers then stand as rows.
    cosine = np.concatenate([_at(vectors @ some.T, inside), _at(b_vectors @ some.T, in_b)]).T.copy()
    of = np.concatenate([strata[inside], b_strata[in_b]])
    near = _neighbours(cosine, centres, sizes[-1])
    tests = _usual_centres(of, far, count) * len(sizes)
    chances, hot = _least_likely(near, sizes, of, centres, count, nearness[inside[centres]])
    p, votes = np.minimum(chances * tests, 1.0), np.zeros(size)
    for k, rows, sure in zip(sizes, hot, chances * tests < alpha, strict=True):
        np.add.at(votes, near[rows[sure], :k].ravel(), 1 / k)  # a small one says more
    held, expected = int((votes[:count] > 0).sum()), float((votes[count:] > 0).sum()) * count / len(in_b)
    excess = max(0.0, held - expected)
    first = np.lexsort((nearness[inside], -votes[:count]))[: round(excess)]
    items[inside[first]] = True
    return Clumps(float(p.min()), items, excess * each)


def _at(cosine: Floats, rows: Index) -> Floats:
    """(n, c) the rows, in their order, without a copy where these are all."""
    return cosine if len(rows) == len(cosine) else cosine[rows]


def _usual_centres(of: Index, far: Mask, count: int) -> float:
    """Centres that both samples together lead to expect: the number that there are tells who came from where."""
    size, own = np.bincount(of), np.bincount(of[:count], minlength=int(of.max()) + 1)
    rate = own / np.maximum(size, 1)
    return float(rate[of[far]].sum())


def _promising(vectors: Floats, b_vectors: Floats, far: Mask) -> Index:
    """(c,) the items of the window that have most of its far items among the nearest far items of both samples.

    Among equals they are those whose nearest far items are nearest. That these are chosen by who came from where costs
    no validity: the tests that are not made count all the same.

    Args:
        vectors: (f, d) float32, far items of the window.
        b_vectors: (g, d) float32, those of half B.
        far: (n,) bool, which items of the window they are.
    """
    centres = np.flatnonzero(far)
    if len(centres) <= _LOOKED_INTO or len(centres) + len(b_vectors) <= _SIZES[0] + 1:
        return centres
    cosine = np.hstack([vectors @ vectors.T, vectors @ b_vectors.T])
    np.fill_diagonal(cosine, -np.inf)
    least = np.partition(cosine, -_SIZES[0], axis=1)[:, -_SIZES[0]]
    own = (cosine[:, : len(centres)] >= least[:, None]).sum(axis=1)
    return np.sort(centres[np.lexsort((-least, -own))[:_LOOKED_INTO]])


def _neighbours(cosine: Floats, centres: Index, count: int) -> Index:
    """(c, count) the nearest of all items, itself left out, of each centre with these cosines (c, n), nearest first.

    Among equals those of half B, which stand last, are taken first: equal items make no clump.
    """
    cosine[np.arange(len(centres)), centres] = -np.inf
    least = np.partition(cosine, -count, axis=1)[:, -count, None]
    row, column = np.nonzero(cosine >= least)
    last = np.searchsorted(row, np.arange(len(centres)), side="right")[:, None]
    some = column[last - np.arange(1, count + 1)]
    order = np.argsort(-np.take_along_axis(cosine, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)


def _least_likely(
    near: Index, sizes: list[int], of: Index, centres: Index, count: int, nearness: Floats
) -> tuple[Numbers, Index]:
    """Chances (k, w) of the neighbourhoods of each size that hold most beyond what is expected, and which these are.

    Among equals those farthest from half A, as `nearness` (c,) of the centres tells.
    """
    strata, until = int(of.max()) + 1, np.array(sizes) - 1
    size, own = np.bincount(of, minlength=strata), np.bincount(of[:count], minlength=strata)
    drawn = (of[near].T[..., None] == np.arange(strata)).cumsum(axis=0)[until]
    seen, rate = (near < count).T.cumsum(axis=0)[until], own / np.maximum(size, 1)
    beyond, variance = seen - drawn @ rate, drawn @ (rate * (1 - rate))
    z = np.round(beyond / np.sqrt(np.maximum(variance, 1e-9)), 6)
    hot = np.stack([np.lexsort((nearness, -of_size))[:_WORKED_OUT] for of_size in z])
    itself = (np.arange(strata) == of[centres[hot.ravel()], None]).astype(np.int64)  # no neighbour of its own
    chances = upper_tails(
        np.take_along_axis(seen, hot, axis=1).ravel(),
        hits=np.take_along_axis(drawn, hot[..., None], axis=1).reshape(-1, strata),
        drawn=own - itself,
        both=size - itself,
    )
    return chances.reshape(hot.shape), hot
