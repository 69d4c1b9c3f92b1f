"""The report on one window: is the text still what it was, how much of it is not, and where."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInputError
from shared.pool import Floats, Index, Mask
from workers.drift.detectors import homogeneity_p
from workers.drift.levels import Level, level_of
from workers.drift.localisation import (
    Excess,
    FiredCell,
    cell_excess,
    count_sources,
    describe_cells,
    most_drifted,
    most_typical,
    score,
)
from workers.drift.matching import Matching, match
from workers.drift.mix import SourceShare, compare_mix
from workers.drift.novelty import Novelty, category, compare_novelty
from workers.drift.reference import Reference, check_rows, place

# Chance of a false alarm in one window, shared equally by the three tests (Bonferroni).
_ALPHA, _TESTS = 0.001, 3


@dataclass(frozen=True)
class Verdict:
    """What one of the tests says of a window.

    Attributes:
        p: its p-value.
        alarm: whether p is below the test's part of the false alarm rate.
        share: excess, as a share of the window's items; 0 without an alarm.
    """

    p: float
    alarm: bool
    share: float


@dataclass(frozen=True)
class WindowReport:
    """What one window looks like beside the reference; row i of each array is the same item.

    Attributes:
        level: severity, from `share`.
        share: affected share of the items, by novelty or cells; 0 when only the source mix changed.
        novelty: are there more novel items, source by source?
        cells: is the mix of cells another one, source by source?
        mix: is the mix of sources another one?
        fired: cells with too many items, the strongest first; empty without an alarm of novelty or cells.
        sources: the shares of all sources, by name.
        ids: (n,) int64, the window's items.
        scores: (n,) float32, how much each item belongs to a drift, in standard deviations.
        drifted: (n,) bool, the items that make up the drift: as many novel ones as are in excess, and all items of
            cells that fired on all items; none without an alarm of novelty or cells.
        drifted_sources: how many of these come from each source, the source with most first.
        typical: up to 5 ids of these, the most typical first.
    """

    level: Level
    share: float
    novelty: Verdict
    cells: Verdict
    mix: Verdict
    fired: tuple[FiredCell, ...]
    sources: tuple[SourceShare, ...]
    ids: Index
    scores: Floats
    drifted: Mask
    drifted_sources: dict[str, int]
    typical: tuple[int, ...]

    def findings(self) -> dict[str, Any]:
        """The report as JSON values, with the items that matter most instead of all."""
        return {
            "items": len(self.ids),
            "share": self.share,
            "tests": {name: asdict(getattr(self, name)) for name in ("novelty", "cells", "mix")},
            "cells": [{**asdict(cell), "typical": list(cell.typical)} for cell in self.fired],
            "sources": [asdict(source) for source in self.sources],
            "drifted": int(self.drifted.sum()),
            "drifted_sources": self.drifted_sources,
            "typical": list(self.typical),
        }


def compare(reference: Reference, *, vectors: NDArray[Any], ids: Index, sources: Sequence[str]) -> WindowReport:
    """Compare a window with the reference.

    Three tests share a false alarm rate of 0.001 a window. Novelty and cells are compared within each source, so a
    change in how much each source sends raises no alarm of theirs.

    Args:
        reference: What to compare with.
        vectors: (n, d) float16 or float32, unit length, one a duplicate group, n >= 1.
        ids: (n,) int64, the items; none of them in the reference.
        sources: n names.

    Raises:
        InvalidInputError: the window is empty, does not fit together, or is of another encoder than the reference.
    """
    check_rows(vectors, ids=ids, sources=sources)
    if not len(ids):
        raise InvalidInputError("the drift window holds no item: wait until some have come in")
    placed, matching = place(reference, vectors), match(reference, sources)
    mix_found, novelty_found = compare_mix(reference, sources), compare_novelty(reference, matching, placed.nearness)
    of_all, of_novel, cells_p = _compare_cells(reference, matching, placed.cells, novelty_found)

    novelty = _judge(novelty_found.p, excess=novelty_found.excess / len(ids))
    cells = _judge(cells_p, excess=of_all.beyond / len(ids))
    mix = _judge(mix_found.p, excess=mix_found.moved)
    content, share = novelty.alarm or cells.alarm, max(novelty.share, cells.share)

    scores = score(reference, placed, np.maximum(of_all.z, of_novel.z))
    drifted = most_drifted(novelty_found.novel, scores, ids, excess=novelty.share * len(ids))
    if cells.alarm:
        drifted |= (of_all.fired & ~of_novel.fired)[placed.cells] & (of_all.cells >= 0)
    return WindowReport(
        level=level_of(share, content=content, mix=mix.alarm),
        share=share,
        novelty=novelty,
        cells=cells,
        mix=mix,
        fired=describe_cells(of_all=of_all, of_novel=of_novel, vectors=vectors, ids=ids, sources=sources)
        if content
        else (),
        sources=mix_found.sources,
        ids=ids,
        scores=scores,
        drifted=drifted,
        drifted_sources=count_sources(sources, np.flatnonzero(drifted)),
        typical=most_typical(vectors[drifted], ids[drifted]),
    )


def _compare_cells(
    reference: Reference, matching: Matching, cells: Index, found: Novelty
) -> tuple[Excess, Excess, float]:
    """The excess of all items and of novel items by cell, and the p of the mix of cells.

    What comes from a source without its like in the reference can be novel, but in no other mix than before: it takes
    part in the excess of novel items only.
    """
    k = len(reference.centres)
    comparable = matching.counts(reference.b_cells, cells, k=k).part(slice(0, matching.known))
    novel_cells = category(found.novel, cells)
    novel = matching.counts(category(found.b_novel, reference.b_cells), novel_cells, k=k)
    return (
        cell_excess(comparable, category(matching.strata < matching.known, cells)),
        cell_excess(novel, novel_cells),
        homogeneity_p(comparable),
    )


def _judge(p: float, *, excess: float) -> Verdict:
    alarm = p < _ALPHA / _TESTS
    return Verdict(p, alarm, max(excess, 0.0) if alarm else 0.0)
