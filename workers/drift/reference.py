"""The reference: what the incoming text is compared with.

It is split at random into two halves. Half A is what the detectors learn from: cells by spherical k-means, and the
vectors to which a known text is near. Half B is what a window is compared with. Both jobs on the same rows would make
every window look new, since nothing is as near to a row as the row itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.arrays import dump_arrays, load_arrays
from shared.errors import InvalidInputError
from shared.pool import Floats, Index, Mask
from workers.selection.clustering import cluster

FEWEST_ITEMS = 80
# As FAISS wants it: with fewer items a cell, centres follow single items.
_ITEMS_PER_CELL = 39
# Shares of half B that lie beyond each cut. Far new topics show best beyond a deep cut, where little else is; near ones
# beyond a shallow one, where more of them are. With a domain of CLINC150 or HWU64 held back, and on made-up topics, the
# three together find about as much as the best single one of 1, 2, 3, 5 and 10 %, which is another one for each.
_NOVEL_SHARES = (0.01, 0.03, 0.10)
# Sums in another order differ by less; without it, equal vectors could fall on both sides of the cut.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Reference:
    """Both halves of a reference; row i of each `a_` or `b_` array is the same item.

    Attributes:
        source_names: names behind the codes in `b_sources`: every source of either half, sorted.
        centres: (k, d) float32, unit length, centres of half A's cells.
        a_ids: (n_a,) int64, items of half A.
        a_vectors: (n_a, d) float16, unit length.
        b_ids: (n_b,) int64, items of half B.
        b_cells: (n_b,) int64, nearest cell.
        b_sources: (n_b,) int64, code of the source.
        b_nearness: (n_b,) float32, cosine with the nearest item of half A.
        cuts: an item less near than one of these is novel at that cut; of half B about 1, 3 and 10 % are.
    """

    source_names: tuple[str, ...]
    centres: Floats
    a_ids: Index
    a_vectors: NDArray[np.float16]
    b_ids: Index
    b_cells: Index
    b_sources: Index
    b_nearness: Floats
    cuts: tuple[float, ...]


@dataclass(frozen=True)
class Placed:
    """Where n vectors lie beside half A.

    Attributes:
        cells: (n,) int64, nearest cell.
        nearness: (n,) float32, cosine with the nearest item of half A.
    """

    cells: Index
    nearness: Floats


def fit_reference(
    vectors: NDArray[Any], *, ids: Index, sources: Sequence[str], rng: np.random.Generator, cells: int = 64
) -> Reference:
    """Fit a reference.

    Args:
        vectors: (n, d) float16 or float32, unit length, one a duplicate group.
        ids: (n,) int64, the items.
        sources: n names.
        rng: Splits the halves and seeds the cells.
        cells: Most cells; fewer when half A has under 39 items for each.

    Raises:
        InvalidInputError: fewer than 80 items, or ids and sources don't match the vectors.
    """
    check_rows(vectors, ids=ids, sources=sources)
    if len(vectors) < FEWEST_ITEMS:
        raise InvalidInputError(
            f"the drift reference has {len(vectors)} distinct item(s); it needs {FEWEST_ITEMS} or more: add items"
        )
    order = rng.permutation(len(vectors))
    half_a, half_b = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    names = tuple(sorted(set(sources)))
    a_vectors = vectors[half_a].astype(np.float16)
    centres = _centres(a_vectors.astype(np.float32), most=cells, rng=rng)
    placed = _place(centres, a_vectors, vectors[half_b])
    return Reference(
        source_names=names,
        centres=centres,
        a_ids=ids[half_a],
        a_vectors=a_vectors,
        b_ids=ids[half_b],
        b_cells=placed.cells,
        b_sources=encode(names, [sources[row] for row in half_b]),
        b_nearness=placed.nearness,
        cuts=_low_quantiles(placed.nearness),
    )


def place(reference: Reference, vectors: NDArray[Any]) -> Placed:
    """Where `vectors` (n, d), unit length, lie beside the reference.

    Raises:
        InvalidInputError: they are of another dimension, so of another encoder.
    """
    if vectors.shape[1] != reference.centres.shape[1]:
        raise InvalidInputError(
            f"the window's vectors have {vectors.shape[1]} dimensions, the drift reference's "
            f"{reference.centres.shape[1]}: they are of another encoder; fit a new reference"
        )
    return _place(reference.centres, reference.a_vectors, vectors)


def is_novel(nearness: Floats, cut: float) -> Mask:
    """(n,) bool, whether items of this `nearness` (n,) to half A are less near than the cut."""
    novel: Mask = nearness < cut - _ROUNDING
    return novel


def encode(names: Sequence[str], sources: Sequence[str]) -> Index:
    """(n,) int64, the place of each source in `names`, -1 where it is not there."""
    code = {name: number for number, name in enumerate(names)}
    return np.array([code.get(source, -1) for source in sources], dtype=np.int64)


def check_rows(vectors: NDArray[Any], *, ids: Index, sources: Sequence[str]) -> None:
    """Raise `InvalidInputError` unless there are as many ids and sources as vectors (n, d), each id once."""
    if vectors.ndim != 2 or not len(vectors) == len(ids) == len(sources):
        raise InvalidInputError(
            f"vectors of shape {vectors.shape}, {len(ids)} id(s) and {len(sources)} source(s): one each is expected"
        )
    if len(np.unique(ids)) < len(ids):
        raise InvalidInputError("an item id occurs more than once")


def dump(reference: Reference) -> bytes:
    """The reference as safetensors with a JSON header."""
    return dump_arrays(
        {
            "centres": reference.centres,
            "a_ids": reference.a_ids,
            "a_vectors": reference.a_vectors,
            "b_ids": reference.b_ids,
            "b_cells": reference.b_cells,
            "b_sources": reference.b_sources,
            "b_nearness": reference.b_nearness,
        },
        {"source_names": reference.source_names, "cuts": reference.cuts},
    )


def load(blob: bytes) -> Reference:
    """Read what `dump` wrote."""
    arrays, header = load_arrays(blob)
    return Reference(source_names=tuple(header["source_names"]), cuts=tuple(header["cuts"]), **arrays)


def _centres(vectors: Floats, *, most: int, rng: np.random.Generator) -> Floats:
    wanted = max(1, min(most, len(vectors) // _ITEMS_PER_CELL))
    of = cluster(vectors, count=wanted, rng=rng).of
    centres = np.stack([vectors[of == cell].mean(axis=0) for cell in np.unique(of)])
    unit: Floats = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    return unit


def _place(centres: Floats, a_vectors: NDArray[np.float16], vectors: NDArray[Any]) -> Placed:
    return Placed(nearest(centres, vectors)[1], nearest(a_vectors, vectors)[0])


def nearest(base: NDArray[Any], queries: NDArray[Any]) -> tuple[Floats, Index]:
    """Cosine (n,) with, and row (n,) of, the nearest of `base` (m, d) for each of `queries` (n, d), all unit length."""
    index = faiss.IndexFlatIP(base.shape[1])
    index.add(np.ascontiguousarray(base, dtype=np.float32))
    cosine, row = index.search(np.ascontiguousarray(queries, dtype=np.float32), 1)
    return cosine[:, 0].astype(np.float32), row[:, 0].astype(np.int64)


def _low_quantiles(nearness: Floats) -> tuple[float, ...]:
    """Order statistics, not values between them: so Fisher's test against the rows that gave them stays exact."""
    ordered = np.sort(nearness)
    return tuple(float(ordered[int(share * len(ordered))]) for share in _NOVEL_SHARES)
