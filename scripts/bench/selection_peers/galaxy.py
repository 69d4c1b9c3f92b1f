"""GALAXY: on a chain of all items for each class, halve the ways between labels that differ.

Zhang, Katz-Samuels and Nowak, "GALAXY: Graph-based Active Learning at the Extreme" (ICML 2022). For each class in turn
it asks for the middle of the shortest way between a yes and a no on the chain of the items by how probable the class
is; once no open item is left between them, neighbours of higher order count as neighbours too, so it asks outwards from
there. It uses each label at once. Here, as for every other strategy, a batch is asked for as a whole, so within a batch
the model's own decisions stand in for the labels that are not there yet.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scripts.bench.selection_peers.peer import Seen, probabilities
from scripts.bench.selection_peers.scores import doubt, highest
from shared.pool import Floats, Index, Mask
from shared.project import Task

Signs: TypeAlias = NDArray[np.int8]

# Orders the items of which a class is the most probable by how probable it is, as the authors' code does.
_CONFIDENCE = 1e-8


def galaxy(view: Seen, count: int) -> Index:
    """The middles of the shortest ways, of each class in turn; the items in most doubt where no way is left."""
    pool, probability, exclusive = view.pool, probabilities(view), view.config.task is Task.SINGLE
    nodes = np.sort(np.concatenate([pool.eligible, np.flatnonzero(pool.labeled)]))
    known = np.flatnonzero(pool.label_counts)
    order = np.argsort(-_scores(probability[nodes], exclusive=exclusive)[:, known], axis=0, kind="stable").T
    place = np.argsort(order, axis=1)
    told = np.where(pool.targets[nodes][:, known], 1, -1) * pool.labeled[nodes, None]
    signs = np.take_along_axis(told.T.astype(np.int8), order, axis=1)
    stands_in = np.where(_decisions(probability[nodes], exclusive=exclusive)[:, known], 1, -1)
    chosen: list[int] = []
    while len(chosen) < count and (node := _next_node(signs, order, turn=len(chosen))) is not None:
        chosen.append(node)
        signs[np.arange(len(known)), place[:, node]] = stands_in[node]
    taken = nodes[np.array(chosen, dtype=np.int64)]
    rest = np.setdiff1d(pool.eligible, taken)
    return np.concatenate([taken, rest[highest(doubt(view, rest), count - len(taken))]])


def next_on_chain(signs: Signs) -> int | None:
    """The place on a chain that is to be asked about; None without any yes, any no or any place that is open.

    Args:
        signs: (n,) along the chain: 1 for a yes, -1 for a no, 0 where it is open.
    """
    seen, open_ = np.flatnonzero(signs), np.flatnonzero(signs == 0)
    yes, no = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    if not len(yes) or not len(no) or not len(open_):
        return None
    length = np.where(np.diff(signs[seen]) != 0, np.diff(seen), 1)
    if (length > 1).any():
        shortest = int(np.where(length > 1, length, len(signs)).argmin())
        return int(seen[shortest] + length[shortest] // 2)
    farther = np.maximum(_distance(open_, yes), _distance(open_, no))  # the order that makes it a neighbour of both
    return int(open_[farther.argmin()])


def _next_node(signs: NDArray[np.int8], order: Index, *, turn: int) -> int | None:
    """The next node by the class whose turn it is, or by the next one that has a way."""
    for number in range(len(order)):
        column = (turn + number) % len(order)
        place = next_on_chain(signs[column])
        if place is not None:
            return int(order[column, place])
    return None


def _distance(places: Index, to: Index) -> Index:
    """(n,) from each place to the nearest of some others, all ascending."""
    after = np.searchsorted(to, places)
    left, right = to[np.maximum(after - 1, 0)], to[np.minimum(after, len(to) - 1)]
    nearest: Index = np.minimum(np.abs(places - left), np.abs(places - right))
    return nearest


def _scores(probability: Floats, *, exclusive: bool) -> NDArray[np.float64]:
    """(n, n_classes) the chain of a class runs down these."""
    exact = probability.astype(np.float64)
    if not exclusive:
        return exact
    best = exact.max(axis=1, keepdims=True)
    scores: NDArray[np.float64] = exact - best + _CONFIDENCE * best
    return scores


def _decisions(probability: Floats, *, exclusive: bool) -> Mask:
    """(n, n_classes) what the model would answer."""
    said: Mask = probability >= (probability.max(axis=1, keepdims=True) if exclusive else 0.5)
    return said
