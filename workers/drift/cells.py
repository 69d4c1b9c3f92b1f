"""Cells of half A: where a vector lies, and how near it is to the items that lie there."""

from itertools import pairwise

import numpy as np

from shared.pool import Floats, Index
from workers.selection.clustering import cluster

# As FAISS wants it: with fewer items a cell, centres follow single items.
_ITEMS_PER_CELL = 39


def fit_centres(vectors: Floats, *, most: int, rng: np.random.Generator) -> Floats:
    """(k, d) float32 unit centres of spherical k-means: `most` of them, or fewer with under 39 items for each."""
    wanted = max(1, min(most, len(vectors) // _ITEMS_PER_CELL))
    of = cluster(vectors, count=wanted, rng=rng).of
    centres = np.stack([vectors[of == cell].mean(axis=0) for cell in np.unique(of)])
    unit: Floats = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    return unit


def nearest_cells(centres: Floats, vectors: Floats) -> Index:
    """(n, 2) int64 the two cells nearest to each vector, the nearest first; (n, 1) where there is but one cell.

    On made-up topics these two of 64 find as much drift as all do, in little of the time; a test is exact with any
    number, as both of its samples are looked at alike.
    """
    cosine = vectors @ centres.T
    cells: Index = cosine.argmax(axis=1)[:, None]
    if len(centres) > 1:
        np.put_along_axis(cosine, cells, -np.inf, axis=1)
        cells = np.column_stack([cells, cosine.argmax(axis=1)])
    return cells


def nearness_within(cells: Index, vectors: Floats, base: Floats, starts: Index) -> Floats:
    """(n,) float32 cosine with the nearest item of `base` that lies in one of a vector's cells; -1 where there is none.

    Args:
        cells: (n, p) int64, the cells of each vector.
        vectors: (n, d) float32, unit length.
        base: (m, d) float32, unit length, cell by cell.
        starts: (k + 1,) int64, where each cell begins in `base`, and the end.
    """
    flat = cells.ravel()
    order = np.argsort(flat, kind="stable")
    bounds, rows = np.searchsorted(flat[order], np.arange(len(starts))).tolist(), order // cells.shape[1]
    found = np.full(len(flat), -1.0, dtype=np.float32)
    for cell, (first, end) in enumerate(pairwise(starts.tolist())):
        here = slice(bounds[cell], bounds[cell + 1])
        if end > first and here.stop > here.start:
            # This way round the maximum is over whole rows at once.
            found[here] = (base[first:end] @ vectors[rows[here]].T).max(axis=0)
    nearness = np.empty_like(found)
    nearness[order] = found
    nearest: Floats = nearness.reshape(cells.shape).max(axis=1)
    return nearest
