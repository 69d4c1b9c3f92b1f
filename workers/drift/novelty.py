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
    reference: Reference, matching: Matching, *, cells: Index, nearness: Floats, alpha: float = 0.0
) -> Novelty:
    """Compare the novel items of a window with those of half B: at each cut, and cell by cell at the shallowest.

    A topic far from all others shows beyond a deep cut, wherever its items lie. One that is akin to another topic lies
    in few cells, where few items are novel otherwise.

    Args:
        reference: What to compare with.
        matching: Of the window's items with half B.
        cells: (n,) int64, of the window's items.
        nearness: (n,) float32, of the window's items to half A.
        alpha: Of the tests that are below it, the one with the largest excess says most; with none, the lowest p does.
    """
    found = [_at_cut(reference, matching, nearness, cut) for cut in reference.cuts]
    found.append(_by_cell(reference, matching, cells, nearness))
    tests = len(found)
    sure = [novelty for novelty in found if novelty.p * tests < alpha]
    most = max(sure, key=lambda novelty: novelty.excess) if sure else min(found, key=lambda novelty: novelty.p)
    lowest = min(novelty.p for novelty in found)
    return Novelty(min(1.0, lowest * tests), most.excess, most.novel, most.b_novel)


def beyond_each_cut(reference: Reference, matching: Matching, nearness: Floats) -> Counts:
    """Counts (s, c) of items novel at each of the cuts, an item at several; of sources that half B has."""
    novel, of_b = (
        np.stack([is_novel(near, cut) for cut in reference.cuts], axis=1) for near in (nearness, reference.b_nearness)
    )
    known = [_counts(matching, of_b[:, cut], novel[:, cut], 0, 0, k=1) for cut in range(novel.shape[1])]
    return Counts(
        np.hstack([counts.reference for counts in known]),
        np.hstack([counts.window for counts in known]),
        known[0].reference_size,
        known[0].window_size,
    ).part(slice(0, matching.known))


def category(mask: Mask, of: Index | int) -> Index:
    """`of` where the mask holds, else -1: no category."""
    chosen: Index = np.where(mask, of, -1)
    return chosen


def _at_cut(reference: Reference, matching: Matching, nearness: Floats, cut: float) -> Novelty:
    """Novelty at one cut."""
    novel, b_novel = is_novel(nearness, cut), is_novel(reference.b_nearness, cut)
    counts = _counts(matching, b_novel, novel, 0, 0, k=1)
    p = [float(excess_p(part)[0]) for part in _apart(matching, counts)]
    return Novelty(min(p) * len(p), float(novel.sum() - expected(counts)[0]), novel, b_novel)


def _by_cell(reference: Reference, matching: Matching, cells: Index, nearness: Floats) -> Novelty:
    """Novelty in the cells that hold more than chance would give one of them, at the shallowest cut."""
    cut, k = reference.cuts[-1], len(reference.centres)
    novel, b_novel = is_novel(nearness, cut), is_novel(reference.b_nearness, cut)
    counts = _counts(matching, b_novel, novel, reference.b_cells, cells, k=k)
    parts = list(_apart(matching, counts))
    p = np.min([excess_p(part, residuals(part) > _WORTH_A_LOOK) for part in parts], axis=0) * k * len(parts)
    hot = p <= max(float(p.min()), 0.05) if p.min() < 1 else np.zeros(k, dtype=bool)
    excess = float((counts.window.sum(axis=0) - expected(counts))[hot].sum())
    return Novelty(float(p.min()), excess, novel & hot[cells], b_novel & hot[reference.b_cells])


def _counts(
    matching: Matching, b_novel: Mask, novel: Mask, b_cells: Index | int, cells: Index | int, *, k: int
) -> Counts:
    return matching.counts(category(b_novel, b_cells), category(novel, cells), k=k)


def _apart(matching: Matching, counts: Counts) -> Iterator[Counts]:
    """Items that have their like in half B and items that have none, where there are any.

    They are tested apart, with Bonferroni: half B's items take part in both tests.
    """
    for part in (counts.part(slice(0, matching.known)), counts.part(slice(matching.known, None))):
        if part.window_size.any():
            yield part
