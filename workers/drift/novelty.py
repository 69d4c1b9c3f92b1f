"""Novelty: are there more items that nothing in the reference is near to?"""

from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask
from workers.drift.detectors import excess_p, expected
from workers.drift.matching import Matching
from workers.drift.reference import Reference, is_novel


@dataclass(frozen=True)
class Novelty:
    """What a window holds that is novel.

    Attributes:
        p: of one-sided exact tests source by source, corrected for the number of cuts.
        excess: novel items beyond those expected at the reference's rates; may be negative.
        novel: (n,) bool, items of the window that are novel at the cut that says most.
        b_novel: (n_b,) bool, the same for half B.
    """

    p: float
    excess: float
    novel: Mask
    b_novel: Mask


def compare_novelty(reference: Reference, matching: Matching, nearness: Floats) -> Novelty:
    """Compare the novel items of a window with those of half B, at the cut where they differ most.

    Args:
        reference: What to compare with.
        matching: Of the window's items with half B.
        nearness: (n,) float32, of the window's items to half A.
    """
    found = [_at_cut(reference, matching, nearness, cut) for cut in reference.cuts]
    most = min(found, key=lambda novelty: novelty.p)
    return Novelty(min(1.0, most.p * len(found)), most.excess, most.novel, most.b_novel)


def category(mask: Mask, of: Index | int) -> Index:
    """`of` where the mask holds, else -1: no category."""
    chosen: Index = np.where(mask, of, -1)
    return chosen


def _at_cut(reference: Reference, matching: Matching, nearness: Floats, cut: float) -> Novelty:
    """Novelty at one cut.

    Items that have their like in half B and items that have none are tested apart, with Bonferroni: half B's items
    take part in both tests.
    """
    novel, b_novel = is_novel(nearness, cut), is_novel(reference.b_nearness, cut)
    counts = matching.counts(category(b_novel, 0), category(novel, 0), k=1)
    parts = [counts.part(slice(0, matching.known)), counts.part(slice(matching.known, None))]
    p = [float(excess_p(part)[0]) for part in parts if part.window_size.any()]
    return Novelty(min(p) * len(p), float(novel.sum() - expected(counts)[0]), novel, b_novel)
