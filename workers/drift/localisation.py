"""Where the drift is: the cells that hold more than expected, and the items in them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Mask
from workers.drift.detectors import Counts, Numbers, excess_p, expected, residuals
from workers.drift.reference import Placed, Reference

# Chance that any cell fires by mistake.
_ALPHA = 0.05
# Standard deviations below which a cell can't fire.
_WORTH_A_LOOK = 2.0
_MOST_TYPICAL = 5
# Standard deviation of nearness below which differences are rounding.
_NARROWEST = 1e-3


@dataclass(frozen=True)
class Excess:
    """What each of k cells holds beyond the reference, among some of a window's n items.

    Attributes:
        cells: (n,) int64, the cell in which each item is counted, -1 where it is not one of these items.
        expected: (k,) float64, items at the reference's rates.
        seen: (k,) int64, items.
        z: (k,) float64, adjusted residuals.
        fired: (k,) bool, more than chance allows.
    """

    cells: Index
    expected: Numbers
    seen: Index
    z: Numbers
    fired: Mask

    @property
    def beyond(self) -> float:
        """Items beyond those expected, in the cells that fired."""
        return float((self.seen - self.expected)[self.fired].sum())


@dataclass(frozen=True)
class FiredCell:
    """A cell that holds more than expected.

    Attributes:
        cell: its number in the reference.
        novel: whether it is the novel items in it that are too many, or else all items in it.
        expected: such items that a window of this size and source mix would hold at the reference's rates.
        seen: such items that it holds.
        z: the adjusted residual, in standard deviations.
        sources: the items seen by source, the largest first.
        typical: up to 5 ids of them, the most typical first.
    """

    cell: int
    novel: bool
    expected: float
    seen: int
    z: float
    sources: dict[str, int]
    typical: tuple[int, ...]


def cell_excess(counts: Counts, cells: Index) -> Excess:
    """Which cells, the categories of `counts`, hold more than expected of the items with `cells` (n,) 0 or more.

    Tested cell by cell, exactly, with Bonferroni over the cells and over the two kinds of items (novel, all).
    """
    z = residuals(counts)
    fired = excess_p(counts, z > _WORTH_A_LOOK) < _ALPHA / (2 * counts.window.shape[1])
    return Excess(cells, expected(counts), counts.window.sum(axis=0), z, fired)


def score(reference: Reference, placed: Placed, z: Numbers) -> Floats:
    """(n,) float32, how much each item belongs to a drift: its novelty and its cell's excess, in standard deviations.

    Novelty is how far the item is from half A, compared with the items of half B.

    Args:
        reference: What the window was compared with.
        placed: The window's items.
        z: (k,) residuals of the cells; what is below 0 counts as 0.
    """
    usual, spread = np.median(reference.b_nearness), max(float(reference.b_nearness.std()), _NARROWEST)
    novelty = (usual - placed.nearness) / spread
    total: Floats = np.round(novelty + np.maximum(z, 0)[placed.cells], 3).astype(np.float32)
    return total


def most_drifted(novel: Mask, scores: Floats, ids: Index, *, excess: float) -> Mask:
    """(n,) bool, as many novel items as there are in excess, the highest scores first; among equals the lower id."""
    count = min(max(0, round(excess)), int(novel.sum()))
    order = np.lexsort((ids, -scores, ~novel))
    drifted = np.zeros(len(ids), dtype=bool)
    drifted[order[:count]] = True
    return drifted


def describe_cells(
    *, of_all: Excess, of_novel: Excess, vectors: NDArray[Any], ids: Index, sources: Sequence[str]
) -> tuple[FiredCell, ...]:
    """The cells that fired, the strongest first. The arrays and `sources` have one entry for each of the n items."""
    described = []
    for cell in np.flatnonzero(of_novel.fired | of_all.fired):
        novel = bool(of_novel.fired[cell])
        excess = of_novel if novel else of_all
        rows = np.flatnonzero(excess.cells == cell)
        described.append(
            FiredCell(
                cell=int(cell),
                novel=novel,
                expected=round(float(excess.expected[cell]), 2),
                seen=int(excess.seen[cell]),
                z=round(float(excess.z[cell]), 2),
                sources=count_sources(sources, rows),
                typical=most_typical(vectors[rows], ids[rows]),
            )
        )
    return tuple(sorted(described, key=lambda fired: (-fired.z, fired.cell)))


def count_sources(sources: Sequence[str], rows: Index) -> dict[str, int]:
    """How many of the items at `rows` come from each source, the source with most first."""
    counts = Counter(sources[row] for row in rows)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def most_typical(vectors: NDArray[Any], ids: Index) -> tuple[int, ...]:
    """Up to 5 of `ids` (n,), those whose vectors (n, d) are nearest to the mean of all first."""
    if not len(ids):
        return ()
    exact = vectors.astype(np.float32)
    closeness = np.round(exact @ exact.mean(axis=0), 4)  # what rounding may swap goes by id
    return tuple(ids[np.lexsort((ids, -closeness))[:_MOST_TYPICAL]].tolist())
