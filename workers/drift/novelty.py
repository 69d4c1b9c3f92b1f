"""Novelty: are there more items that nothing in the reference is near to?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.drift.detectors import Counts, excess_p, expected, residuals
from workers.drift.matching import Matching
from workers.drift.reference import Reference, is_novel

# A cell is looked at where it holds more than so many standard deviations: less is no alarm at any budget.
_WORTH_A_LOOK = 2.0


@dataclass(frozen=True)
class Novelty:
    """What a window holds that is novel.

    Attributes:
        p: of one-sided exact tests source by source, corrected for their number.
        excess: novel items beyond those expected at the reference's rates; may be negative.
        novel: (n,) bool, items of the window that are novel by the test that says most.
        b_novel: (n_b,) bool, the same for half B.
    """

    p: float
    excess: float
    novel: Mask
    b_novel: Mask


def compare_novelty(
    reference: Reference, matching: Matching, beyond: Counts, *, cells: Index, nearness: Floats, alpha: float = 0.0
) -> Novelty:
    """Compare the novel items of a window with those of half B: at each cut, and cell by cell at the shallowest.

    A topic far from all others shows beyond a deep cut, wherever its items lie. One that is akin to another topic lies
    in few cells, where few items are novel otherwise.

    Args:
        reference: What to compare with.
        matching: Of the window's items with half B.
        beyond: What `beyond_each_cut` says of them.
        cells: (n,) int64, of the window's items.
        nearness: (n,) float32, of the window's items to half A.
        alpha: Of the tests that are below it, the one with the largest excess says most; with none, the lowest p does.
    """
    found = _at_cuts(reference, matching, beyond, nearness)
    found.append(_by_cell(reference, matching, cells, nearness))
    tests = len(found)
    sure = [novelty for novelty in found if novelty.p * tests < alpha]
    most = max(sure, key=lambda novelty: novelty.excess) if sure else min(found, key=lambda novelty: novelty.p)
    lowest = min(novelty.p for novelty in found)
    return Novelty(min(1.0, lowest * tests), most.excess, most.novel, most.b_novel)


def beyond_each_cut(reference: Reference, matching: Matching, nearness: Floats) -> Counts:
    """Counts (s, c) of items novel at each of the cuts, an item at several; in the last stratum of what is new."""
    counts = matching.counts(reference.b_first_cuts, reference.first_cuts(nearness), k=len(reference.cuts))
    return Counts(
        counts.reference.cumsum(axis=1), counts.window.cumsum(axis=1), counts.reference_size, counts.window_size
    )


def category(mask: Mask, of: Index | int) -> Index:
    """`of` where the mask holds, else -1: no category."""
    chosen: Index = np.where(mask, of, -1)
    return chosen


def _at_cuts(reference: Reference, matching: Matching, counts: Counts, nearness: Floats) -> list[Novelty]:
    """Novelty at each cut."""
    apart = [excess_p(part) for part in _apart(matching, counts)]
    p, usual, seen = np.min(apart, axis=0) * len(apart), expected(counts), counts.window.sum(axis=0)
    return [
        Novelty(
            float(p[number]),
            float(seen[number] - usual[number]),
            is_novel(nearness, cut),
            is_novel(reference.b_nearness, cut),
        )
        for number, cut in enumerate(reference.cuts)
    ]


def _by_cell(reference: Reference, matching: Matching, cells: Index, nearness: Floats) -> Novelty:
    """Novelty in the cells that hold more than chance would give one of them, at the shallowest cut."""
    cut, k = reference.cuts[-1], len(reference.centres)
    novel, b_novel = is_novel(nearness, cut), is_novel(reference.b_nearness, cut)
    counts = matching.counts(category(b_novel, reference.b_cells), category(novel, cells), k=k)
    parts = list(_apart(matching, counts))
    p = np.min([excess_p(part, residuals(part) > _WORTH_A_LOOK) for part in parts], axis=0) * k * len(parts)
    hot = p <= max(float(p.min()), 0.05) if p.min() < 1 else np.zeros(k, dtype=bool)
    excess = float((counts.window.sum(axis=0) - expected(counts))[hot].sum())
    return Novelty(float(p.min()), excess, novel & hot[cells], b_novel & hot[reference.b_cells])


def _apart(matching: Matching, counts: Counts) -> Iterator[Counts]:
    """Items that have their like in half B and items that have none, where there are any.

    They are tested apart, with Bonferroni: half B's items take part in both tests.
    """
    for part in (counts.part(slice(0, matching.known)), counts.part(slice(matching.known, None))):
        if part.window_size.any():
            yield part
