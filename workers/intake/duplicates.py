"""Near duplicates: items whose vectors point the same way, and the groups that they form."""

from collections.abc import Iterator, Mapping

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from shared.halves import widen
from workers.intake.cells import Cells, by_cell

Ids = NDArray[np.int64]
Pairs = NDArray[np.int64]
Vectors = NDArray[np.float16] | NDArray[np.float32]

# Their product bounds the pairs in memory at once, when everything is a duplicate of everything.
_QUERIES = 512
_STORED = 8_192

# Up to so many pairs all are compared, which takes a second or two. Of more, those in cells near each other are, where
# duplicates are so near that cells tell.
_ALL_PAIRS = 2**27
_LEAST_FOR_CELLS = 0.85

# What rounding to float16 and the order of a sum may take from the cosine of two equal vectors.
_ROUNDING = 1e-6

_NO_PAIRS: Pairs = np.empty((0, 2), dtype=np.int64)


def near_duplicates(
    *, new_ids: Ids, new: Vectors, known_ids: Ids, known: Vectors, threshold: float, cells: Cells | None = None
) -> Pairs:
    """Find which new items are near duplicates of each other or of known items: a cosine of at least `threshold`.

    While there are few, every pair is compared, block by block; float32 arithmetic. Of many, those that lie in cells
    near each other, see `workers.intake.cells`: of the pairs at the threshold one in a thousand is overlooked. Known
    items are not compared among themselves.

    Args:
        new_ids: (n,) int64, row numbers of the new items.
        new: (n, d) float16 or float32, their vectors; none is zero.
        known_ids: (m,) int64, row numbers of the known items, none of them new.
        known: (m, d), their vectors; may be a memory map.
        threshold: Cosine, above 0.
        cells: What an earlier call found out of the beginning of `known`, which saves time and changes nothing.

    Returns:
        (k, 2) int64, ascending: an item and the smallest id that it is connected with by near duplicates, itself
        excluded. These links connect the same items as all near-duplicate pairs do, but are fewer than the items.
    """
    if len(new) * (len(new) + len(known)) > _ALL_PAIRS and threshold >= _LEAST_FOR_CELLS:
        links = _by_cells(new_ids, new, known_ids, known, threshold, cells or Cells())
    else:
        queries = _unit(new)
        links = [_star(block) for block in _blocks(new_ids, queries, new_ids, new, threshold)]
        links += [_star(block) for block in _blocks(new_ids, queries, known_ids, known, threshold)]
    return _star(np.concatenate([_NO_PAIRS, *links]))


def merge_groups(pairs: Pairs, groups: Mapping[int, int]) -> dict[int, int]:
    """Join duplicate groups. The smallest id of a group is its representative.

    Args:
        pairs: (k, 2) int64, ids of items that are duplicates.
        groups: Id -> representative as it stands, of items in a duplicate group; all, or those in `pairs` alone.

    Returns:
        Id -> representative of every item, among those given, whose representative changes. Members of a group that
        were not given go where their representative goes.
    """
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for one, other in (*groups.items(), *pairs.tolist()):
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    linked = set(pairs.ravel().tolist()) | set(groups) | set(groups.values())
    return {item: root(item) for item in sorted(linked) if groups.get(item) != root(item)}


def _by_cells(
    new_ids: Ids, new: Vectors, known_ids: Ids, known: Vectors, threshold: float, cells: Cells
) -> list[Pairs]:
    """Links (k, 2) int64, of each cell what looks into it with what lies there."""
    cells.follow(known, new)
    own, probes = cells.look(new, threshold=threshold)
    stored = [(known_ids, known, *by_cell(cells.of[: len(known)])), (new_ids, new, *by_cell(own))]
    asking, bounds = by_cell(probes.ravel())
    links = []
    for cell in range(len(bounds) - 1):
        some = np.sort(asking[bounds[cell] : bounds[cell + 1]] // probes.shape[1])
        if not len(some):
            continue
        queries = _unit(new[some])
        for ids, vectors, order, ends in stored:
            there = order[ends[cell] : ends[cell + 1]] if cell + 1 < len(ends) else order[:0]
            links += [_star(block) for block in _blocks(new_ids[some], queries, ids[there], vectors[there], threshold)]
    return links


def _blocks(
    new_ids: Ids, queries: NDArray[np.float32], stored_ids: Ids, stored: Vectors, threshold: float
) -> Iterator[Pairs]:
    """Links (k, 2) int64 between new and stored ids, one array a block of stored vectors.

    Of few queries a plain product says which stored vectors may be near at all; only these are made exact and searched.
    """
    radius = threshold - _ROUNDING  # FAISS gives what is strictly above
    for start in range(0, len(stored_ids), _STORED):
        block = widen(stored[start : start + _STORED])
        few = len(queries) <= _QUERIES
        near = _may_be_near(queries, block, radius - _ROUNDING) if few else np.arange(len(block))
        if not len(near):
            continue
        block_ids = stored_ids[start : start + _STORED][near]
        index = faiss.IndexFlatIP(queries.shape[1])
        index.add(_unit(block[near]))
        links = [_NO_PAIRS]
        for first in range(0, len(queries), _QUERIES):
            some_ids = new_ids[first : first + _QUERIES]
            limits, _, found = index.range_search(queries[first : first + _QUERIES], radius)
            links.append(_found_links(some_ids, block_ids, limits.astype(np.int64), found))
        yield np.concatenate(links)


def _may_be_near(queries: NDArray[np.float32], stored: NDArray[np.float32], radius: float) -> Ids:
    """Positions of the stored vectors (m, d) of any length whose cosine with some unit query may be above `radius`."""
    lengths = np.sqrt(np.einsum("ij,ij->i", stored, stored))
    return np.flatnonzero((queries @ stored.T).max(axis=0, initial=-1) > radius * lengths)


def _found_links(query_ids: Ids, stored_ids: Ids, limits: Ids, found: Ids) -> Pairs:
    """The result of a range search, query i having `found[limits[i]:limits[i + 1]]`, as links of `_star`'s kind."""
    if len(found) == 0:
        return _NO_PAIRS
    nodes = len(query_ids) + len(stored_ids)
    rows = np.concatenate([limits, np.full(len(stored_ids), limits[-1])])
    graph = csr_array((np.ones(len(found), dtype=np.int8), found + len(query_ids), rows), shape=(nodes, nodes))
    return _to_smallest(np.concatenate([query_ids, stored_ids]), graph)


def _star(pairs: Pairs) -> Pairs:
    """Replace pairs by links that connect the same ids: each id, ascending, with the smallest one of its component."""
    if not len(pairs):
        return _NO_PAIRS
    ids, place = np.unique(pairs, return_inverse=True)
    ends = place.reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(len(ids), len(ids)))
    return _to_smallest(ids, graph)


def _to_smallest(ids: Ids, graph: coo_array | csr_array) -> Pairs:
    """Each id of a graph's nodes with the smallest id that it is connected with, itself excluded."""
    count, component = connected_components(graph, directed=False)
    smallest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(smallest, component, ids)
    is_other = smallest[component] != ids
    return np.stack([ids[is_other], smallest[component][is_other]], axis=1)


def _unit(vectors: Vectors) -> NDArray[np.float32]:
    """(n, d) float32 of exactly unit length: float16 storage has bent it by up to a thousandth."""
    exact = widen(vectors)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return exact
