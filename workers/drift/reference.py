"""The reference: what the incoming text is compared with.

It is split at random into two halves. Half A is what the detectors learn from: cells by spherical k-means, and the
vectors to which a known text is near. Half B is what a window is compared with. Both jobs on the same rows would make
every window look new, since nothing is as near to a row as the row itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from shared.arrays import dump_arrays, load_arrays
from shared.errors import InvalidInputError
from shared.halves import single
from shared.pool import Floats, Index, Mask
from workers.drift import text_traits
from workers.drift.cells import fit_centres, nearest_cells, nearness_within
from workers.drift.kernel_mean import Moments, draw_frequencies, features, moments
from workers.drift.text_traits import Edges

FEWEST_ITEMS = 80
# A source with fewer items in half B is too thin to be compared with alone.
_FEWEST_BESIDE = 20
# Of what `dump` writes; what an earlier version wrote has to be fitted anew.
_FORMAT = 2
# Shares of half B that lie beyond each cut. Far new topics show best beyond a deep cut, where little else is; near ones
# beyond a shallow one, where more of them are.
_NOVEL_SHARES = (0.002, 0.01, 0.03, 0.10)
# Sums in another order differ by less; without it, equal vectors could fall on both sides of the cut.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Reference:
    """Both halves of a reference; row i of each `a_` or `b_` array is the same item.

    Attributes:
        source_names: names behind the codes in `a_sources` and `b_sources`: every source of either half, sorted.
        centres: (k, d) float32, unit length, centres of half A's cells.
        a_ids: (n_a,) int64, items of half A, cell by cell.
        a_vectors: (n_a, d) float16, unit length.
        a_starts: (k + 1,) int64, where each cell begins in half A, and the end.
        a_sources: (n_a,) int64, code of the source.
        b_ids: (n_b,) int64, items of half B.
        b_vectors: (n_b, d) float16, unit length.
        b_cells: (n_b,) int64, nearest cell.
        b_sources: (n_b,) int64, code of the source.
        b_nearness: (n_b,) float32, cosine with the nearest item of half A in the cells nearest to the item.
        b_traits: (n_b, t) int64, category of each text trait; no columns where the texts were not given.
        edges: between the categories of each text trait, from half A.
        frequencies: (r, d) float32, of the random Fourier features.
        cuts: an item less near than one of these is novel at that cut; of half B about 0.2, 1, 3 and 10 % are.
        duplicates: items that repeated an earlier one, and all items, among those that came last before the windows.
    """

    source_names: tuple[str, ...]
    centres: Floats
    a_ids: Index
    a_vectors: NDArray[np.float16]
    a_starts: Index
    a_sources: Index
    b_ids: Index
    b_vectors: NDArray[np.float16]
    b_cells: Index
    b_sources: Index
    b_nearness: Floats
    b_traits: Index
    edges: Edges
    frequencies: Floats
    cuts: tuple[float, ...]
    duplicates: tuple[int, int]

    @cached_property
    def a_exact(self) -> Floats:
        """Half A's vectors as float32, which arithmetic is quick in."""
        return single(self.a_vectors)

    @cached_property
    def b_exact(self) -> Floats:
        """Half B's vectors as float32."""
        return single(self.b_vectors)

    @cached_property
    def strata_of_sources(self) -> tuple[Index, int]:
        """(sources,) int64, the stratum of each source, -1 for none; and the number of strata.

        A source with 20 or more items in half B is a stratum, and all thinner ones are one together, if that is enough.
        """
        items = np.bincount(self.b_sources, minlength=len(self.source_names))
        large = items >= _FEWEST_BESIDE
        stratum = np.full(len(items), -1, dtype=np.int64)
        stratum[large] = np.arange(large.sum())
        if items[~large].sum() >= _FEWEST_BESIDE:
            stratum[~large] = large.sum()
        return stratum, int(stratum.max(initial=-1)) + 1

    @cached_property
    def items_of_sources(self) -> Index:
        """(sources,) int64, items of each source in both halves."""
        return np.bincount(np.concatenate([self.a_sources, self.b_sources]), minlength=len(self.source_names))

    @cached_property
    def b_strata(self) -> Index:
        """(n_b,) int64, stratum of each item of half B, -1 for none."""
        strata: Index = self.strata_of_sources[0][self.b_sources]
        return strata

    @cached_property
    def b_first_cuts(self) -> Index:
        """(n_b,) int64, of half B, see `first_cuts`."""
        return self.first_cuts(self.b_nearness)

    def first_cuts(self, nearness: Floats) -> Index:
        """(n,) int64, the first cut at which an item of this nearness is novel, and so at all after it; -1 for none."""
        at = np.stack([is_novel(nearness, cut) for cut in self.cuts])
        first: Index = np.where(at[-1], at.argmax(axis=0), -1)
        return first

    @cached_property
    def usual(self) -> Moments:
        """Moments of half B's random Fourier features, by stratum."""
        of_b = features(self.frequencies, self.b_exact)
        return moments(of_b, self.b_strata, known=self.strata_of_sources[1])


@dataclass(frozen=True)
class Placed:
    """Where n vectors lie beside half A.

    Attributes:
        cells: (n,) int64, nearest cell.
        nearness: (n,) float32, cosine with the nearest item of half A in the cells nearest to the item.
    """

    cells: Index
    nearness: Floats


def fit_reference(
    vectors: NDArray[Any],
    *,
    ids: Index,
    sources: Sequence[str],
    rng: np.random.Generator,
    cells: int = 64,
    texts: Sequence[str] | None = None,
    duplicates: tuple[int, int] = (0, 0),
) -> Reference:
    """Fit a reference.

    Args:
        vectors: (n, d) float16 or float32, unit length, one a duplicate group.
        ids: (n,) int64, the items.
        sources: n names.
        rng: Splits the halves, seeds the cells and draws the features.
        cells: Most cells; fewer when half A has under 39 items for each.
        texts: n texts; None where texts are not to be compared.
        duplicates: See `Reference`; (0, 0) where duplicates are not to be compared.

    Raises:
        InvalidInputError: fewer than 80 items, or ids, sources and texts don't match the vectors.
    """
    check_rows(vectors, ids=ids, sources=sources, texts=texts)
    if len(vectors) < FEWEST_ITEMS:
        raise InvalidInputError(
            f"the drift reference has {len(vectors)} distinct item(s); it needs {FEWEST_ITEMS} or more: add items"
        )
    order = rng.permutation(len(vectors))
    half_a, half_b = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    a_vectors, b_vectors = vectors[half_a].astype(np.float16), vectors[half_b].astype(np.float16)
    centres = fit_centres(a_vectors.astype(np.float32), most=cells, rng=rng)
    a_cells = nearest_cells(centres, a_vectors.astype(np.float32))[:, 0]
    by_cell = np.argsort(a_cells, kind="stable")
    a_vectors, starts = a_vectors[by_cell], np.searchsorted(a_cells[by_cell], np.arange(len(centres) + 1))
    placed = _place(centres, a_vectors.astype(np.float32), starts, b_vectors)
    traits = None if texts is None else text_traits.measure(texts)
    edges = {} if traits is None else text_traits.edges_of(traits.take(half_a))
    names = tuple(sorted(set(sources)))
    return Reference(
        source_names=names,
        centres=centres,
        a_ids=ids[half_a[by_cell]],
        a_vectors=a_vectors,
        a_starts=starts,
        a_sources=encode(names, [sources[row] for row in half_a[by_cell]]),
        b_ids=ids[half_b],
        b_vectors=b_vectors,
        b_cells=placed.cells,
        b_sources=encode(names, [sources[row] for row in half_b]),
        b_nearness=placed.nearness,
        b_traits=np.empty((len(half_b), 0), np.int64) if traits is None else traits.take(half_b).categories(edges),
        edges=edges,
        frequencies=draw_frequencies(a_vectors.astype(np.float32), rng=rng),
        cuts=_low_quantiles(placed.nearness),
        duplicates=duplicates,
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
    return _place(reference.centres, reference.a_exact, reference.a_starts, vectors)


def is_novel(nearness: Floats, cut: float) -> Mask:
    """(n,) bool, whether items of this `nearness` (n,) to half A are less near than the cut."""
    novel: Mask = nearness < cut - _ROUNDING
    return novel


def encode(names: Sequence[str], sources: Sequence[str]) -> Index:
    """(n,) int64, the place of each source in `names`, -1 where it is not there."""
    code = {name: number for number, name in enumerate(names)}
    return np.array([code.get(source, -1) for source in sources], dtype=np.int64)


def check_rows(
    vectors: NDArray[Any], *, ids: Index, sources: Sequence[str], texts: Sequence[str] | None = None
) -> None:
    """Raise `InvalidInputError` unless there are as many ids, sources and texts as vectors (n, d), each id once."""
    if vectors.ndim != 2 or not len(vectors) == len(ids) == len(sources):
        raise InvalidInputError(
            f"vectors of shape {vectors.shape}, {len(ids)} id(s) and {len(sources)} source(s): one each is expected"
        )
    if texts is not None and len(texts) != len(ids):
        raise InvalidInputError(f"{len(texts)} text(s) for {len(ids)} id(s): one each is expected")
    if len(np.unique(ids)) < len(ids):
        raise InvalidInputError("an item id occurs more than once")


_ARRAYS = (
    "centres",
    "a_ids",
    "a_vectors",
    "a_starts",
    "a_sources",
    "b_ids",
    "b_vectors",
    "b_cells",
    "b_sources",
    "b_nearness",
    "b_traits",
    "frequencies",
)


def dump(reference: Reference) -> bytes:
    """The reference as safetensors with a JSON header."""
    return dump_arrays(
        {name: getattr(reference, name) for name in _ARRAYS},
        {
            "format": _FORMAT,
            "source_names": reference.source_names,
            "cuts": reference.cuts,
            "edges": reference.edges,
            "duplicates": reference.duplicates,
        },
    )


def load(blob: bytes) -> Reference:
    """Read what `dump` wrote."""
    arrays, header = load_arrays(blob)
    return Reference(
        source_names=tuple(header["source_names"]),
        cuts=tuple(header["cuts"]),
        edges={name: tuple(edges) for name, edges in header["edges"].items()},
        duplicates=(header["duplicates"][0], header["duplicates"][1]),
        **arrays,
    )


def items_of(blob: bytes) -> Index:
    """(n,) int64, the items of a stored reference of any version of Quiet Corner, ascending."""
    arrays, _ = load_arrays(blob)
    return np.sort(np.concatenate([arrays["a_ids"], arrays["b_ids"]]))


def is_readable(blob: bytes) -> bool:
    """Whether `load` reads a stored reference, or an earlier version wrote it and it has to be fitted anew."""
    _, header = load_arrays(blob)
    return bool(header.get("format") == _FORMAT)


def _place(centres: Floats, base: Floats, starts: Index, vectors: NDArray[Any]) -> Placed:
    exact = single(vectors)
    cells = nearest_cells(centres, exact)
    return Placed(cells[:, 0].astype(np.int64), nearness_within(cells, exact, base, starts))


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
