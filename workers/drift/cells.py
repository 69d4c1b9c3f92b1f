"""Cells of half A: where a vector lies, and how near it is to the items that lie there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index
from workers.selection.clustering import cluster

# As FAISS wants it: with fewer items a cell, centres follow single items.
_ITEMS_PER_CELL = 39
# Cells in which the nearest item is looked for. On made-up topics 2 of 64 find as much drift as all do, in little of
# the time; the test is exact with any number, as both of its samples are looked at alike.
_PROBES = 2


def fit_centres(vectors: Floats, *, most: int, rng: np.random.Generator) -> Floats:
    """(k, d) float32 unit centres of spherical k-means: `most` of them, or fewer with under 39 items for each."""
    wanted = max(1, min(most, len(vectors) // _ITEMS_PER_CELL))
    of = cluster(vectors, count=wanted, rng=rng).of
    centres = np.stack([vectors[of == cell].mean(axis=0) for cell in np.unique(of)])
    unit: Floats = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    return unit


def nearest_cells(centres: Floats, vectors: Floats) -> Index:
    """(n, p) int64 the cells nearest to each vector, in no order but that the nearest of all stands first."""
    cosine = vectors @ centres.T
    nearest = cosine.argmax(axis=1)
    if len(centres) <= _PROBES:
        return np.column_stack([nearest, _others(nearest, len(centres))])
    np.put_along_axis(cosine, nearest[:, None], -np.inf, axis=1)
    others = np.argpartition(-cosine, _PROBES - 2, axis=1)[:, : _PROBES - 1]
    return np.column_stack([nearest, others])


def nearness_within(cells: Index, vectors: Floats, base: Floats, starts: Index) -> Floats:
    """(n,) float32 cosine with the nearest item of `base` that lies in one of a vector's cells; -1 where there is none.

    Args:
        cells: (n, p) int64, the cells of each vector.
        vectors: (n, d) float32, unit length.
        base: (m, d) float32, unit length, cell by cell.
        starts: (k + 1,) int64, where each cell begins in `base`, and the end.
    """
    flat, rows = cells.ravel(), np.repeat(np.arange(len(cells)), cells.shape[1])
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat[order], np.arange(len(starts)))
    nearness = np.full(len(cells), -1.0, dtype=np.float32)
    for cell in range(len(starts) - 1):
        here, items = rows[order[bounds[cell] : bounds[cell + 1]]], base[starts[cell] : starts[cell + 1]]
        if len(here) and len(items):
            nearness[here] = np.maximum(nearness[here], (vectors[here] @ items.T).max(axis=1))
    return nearness


def _others(nearest: Index, count: int) -> NDArray[Any]:
    """(n, count - 1) all cells but the nearest."""
    shifted: NDArray[Any] = (nearest[:, None] + np.arange(1, count)) % count
    return shifted
