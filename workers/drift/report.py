"""The report on one window: is the text still what it was, how much of it is not, and where.

A report knows one window. What many windows show together, and what becomes an alarm, is `workers.drift.watch`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInputError
from shared.halves import single
from shared.pool import Floats, Index, Mask
from workers.drift import text_traits
from workers.drift.channels import CONTENT, Channel, alpha
from workers.drift.clumps import Clumps, find_clumps
from workers.drift.detectors import Counts, excess_p, homogeneity_p
from workers.drift.kernel_mean import distance, features, moments
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
from workers.drift.novelty import Novelty, beyond_each_cut, category, compare_novelty
from workers.drift.predictions import Predicted, compare_predictions, rare_moved
from workers.drift.reference import Placed, Reference, check_rows, place
from workers.drift.statistics import Verdict, judge, judge_mix, tally_of

# By so much the share of duplicates may rise: the longer a pool, the more it holds that a text may repeat.
_MORE_DUPLICATES = 0.05


@dataclass(frozen=True)
class WindowReport:
    """What one window looks like beside the reference; row i of each array is the same item, by ascending id.

    Attributes:
        level: severity, from `share`.
        share: affected share of the items, by what they say; 0 when only the sources or the form of the texts changed.
        verdicts: of all statistics.
        fired: cells with too many items, the strongest first; empty without an alarm of novelty, clumps or cells.
        sources: the shares of all sources, by name.
        predicted: model version, number of items decided for each class, and by how much the shares of rare classes
            with an alarm moved; None without a model.
        ids: (n,) int64, the window's items.
        scores: (n,) float32, how much each item belongs to a drift, in standard deviations.
        drifted: (n,) bool, the items that make up the drift: as many novel ones as are in excess, and all items of
            cells that fired on all items; those of clumps where neither says anything.
        drifted_sources: how many of these come from each source, the source with most first.
        typical: up to 5 ids of these, the most typical first.
    """

    level: Level
    share: float
    verdicts: tuple[Verdict, ...]
    fired: tuple[FiredCell, ...]
    sources: tuple[SourceShare, ...]
    predicted: dict[str, Any] | None
    ids: Index
    scores: Floats
    drifted: Mask
    drifted_sources: dict[str, int]
    typical: tuple[int, ...]

    def verdict(self, name: str) -> Verdict:
        """Of the statistic of this name."""
        return next(verdict for verdict in self.verdicts if verdict.name == name)

    @property
    def novelty(self) -> Verdict:
        """Are there more novel items, source by source?"""
        return self.verdict(Channel.NOVELTY)

    @property
    def cells(self) -> Verdict:
        """Is the mix of cells another one, source by source?"""
        return self.verdict(Channel.CELLS)

    @property
    def mix(self) -> Verdict:
        """Is the mix of sources another one?"""
        return self.verdict(Channel.MIX)

    def findings(self) -> dict[str, Any]:
        """The report as JSON values, with the items that matter most instead of all."""
        return {
            "items": len(self.ids),
            "share": self.share,
            "tests": {
                verdict.name: {"p": verdict.p, "alarm": verdict.alarm, "share": verdict.share}
                for verdict in self.verdicts
            },
            "cells": [{**asdict(cell), "typical": list(cell.typical)} for cell in self.fired],
            "sources": [asdict(source) for source in self.sources],
            "predicted": self.predicted,
            "drifted": int(self.drifted.sum()),
            "drifted_sources": self.drifted_sources,
            "typical": list(self.typical),
        }


def compare(
    reference: Reference,
    *,
    vectors: NDArray[Any],
    ids: Index,
    sources: Sequence[str],
    texts: Sequence[str] | None = None,
    duplicates: int = 0,
    predicted: Predicted | None = None,
    budget: float = 1.0,
) -> WindowReport:
    """Compare a window with the reference.

    All but the source mix and the duplicates are compared within each source, so a change in how much each source sends
    raises no alarm of theirs.

    Args:
        reference: What to compare with.
        vectors: (n, d) float16 or float32, unit length, one a duplicate group, n >= 1.
        ids: (n,) int64, the items; none of them in the reference.
        sources: n names.
        texts: n texts; None where they are not to be compared.
        duplicates: More items of the window that repeat an earlier one and are not among these.
        predicted: What the current model says; None before the first.
        budget: False alarms that 1,000 windows may bring, of all statistics together.

    Raises:
        InvalidInputError: the window is empty, does not fit together, or is of another encoder than the reference.
    """
    check_rows(vectors, ids=ids, sources=sources, texts=texts)
    if not len(ids):
        raise InvalidInputError("the drift window holds no item: wait until some have come in")
    if (np.diff(ids) < 0).any():  # so that sums come out the same, to the last bit
        order = np.argsort(ids)
        vectors, ids, sources = vectors[order], ids[order], [sources[row] for row in order]
        texts = None if texts is None else [texts[row] for row in order]
        predicted = None if predicted is None else predicted.reordered(order)
    exact = single(vectors)
    placed, matching = place(reference, exact), match(reference, sources)
    beyond = beyond_each_cut(reference, matching, placed.nearness)
    found = compare_novelty(
        reference,
        matching,
        beyond,
        cells=placed.cells,
        nearness=placed.nearness,
        alpha=alpha(Channel.NOVELTY, budget=budget),
    )
    novelty = _judge_novelty(beyond.part(slice(0, matching.known)), found, len(ids), budget)
    together = _find_clumps(reference, matching, exact, placed, budget)
    clumps = judge(Channel.CLUMPS, together.p, share=together.excess / len(ids), budget=budget)
    of_all, of_novel, cells = _compare_cells(reference, matching, placed.cells, found, budget)
    by_clumps_alone = clumps.alarm and not (novelty.alarm or cells.alarm)
    if by_clumps_alone:
        found = replace(found, novel=together.items)
        _, of_novel, _ = _compare_cells(reference, matching, placed.cells, found, budget)
    mix, shares = compare_mix(reference, sources, budget=budget)
    verdicts = (
        novelty,
        clumps,
        cells,
        _judge_embedding(reference, matching, exact, budget),
        mix,
        *_judge_texts(reference, matching, texts, budget),
        *_judge_duplicates(reference, duplicates, len(ids), budget),
        *compare_predictions(reference, matching, predicted, budget=budget),
    )
    content = any(verdict.alarm for verdict in verdicts if verdict.channel in CONTENT)
    located, share = (
        novelty.alarm or clumps.alarm or cells.alarm,
        max(v.share for v in verdicts if v.channel in CONTENT),
    )

    scores = score(reference, placed, np.maximum(of_all.z, of_novel.z))
    drifted = together.items & by_clumps_alone
    drifted |= most_drifted(found.novel, scores, ids, excess=novelty.share * len(ids))
    if cells.alarm:
        drifted |= (of_all.fired & ~of_novel.fired)[placed.cells] & (of_all.cells >= 0)
    return WindowReport(
        level=level_of(share, content=content, mix=any(verdict.alarm for verdict in verdicts)),
        share=share,
        verdicts=verdicts,
        fired=describe_cells(of_all=of_all, of_novel=of_novel, vectors=exact, ids=ids, sources=sources)
        if located
        else (),
        sources=shares,
        predicted=None
        if predicted is None
        else {
            "model": predicted.model,
            "counts": dict(zip(predicted.names, predicted.window.counts.tolist(), strict=True)),
            "compared": predicted.comparable,
            "rare_moved": rare_moved(reference, matching, predicted, verdicts),
        },
        ids=ids,
        scores=scores,
        drifted=drifted,
        drifted_sources=count_sources(sources, np.flatnonzero(drifted)),
        typical=most_typical(exact[drifted], ids[drifted]),
    )


def _judge_novelty(beyond: Counts, found: Novelty, items: int, budget: float) -> Verdict:
    names = tuple(f"beyond cut {number}" for number in range(1, beyond.window.shape[1] + 1))
    tally = tally_of(Channel.NOVELTY, beyond, names, both_ways=False)
    return judge(Channel.NOVELTY, found.p, share=max(found.excess, 0.0) / items, budget=budget, tally=tally)


def _find_clumps(reference: Reference, matching: Matching, vectors: Floats, placed: Placed, budget: float) -> Clumps:
    return find_clumps(
        b_vectors=reference.b_exact,
        b_nearness=reference.b_nearness,
        b_strata=reference.b_strata,
        vectors=vectors,
        nearness=placed.nearness,
        strata=np.where(matching.strata < matching.known, matching.strata, -1),
        alpha=alpha(Channel.CLUMPS, budget=budget),
    )


def _compare_cells(
    reference: Reference, matching: Matching, cells: Index, found: Novelty, budget: float
) -> tuple[Excess, Excess, Verdict]:
    """The excess of all items and of novel items by cell, and the verdict on the mix of cells.

    What comes from a source without its like in the reference can be novel, but in no other mix than before: it takes
    part in the excess of novel items only.
    """
    k = len(reference.centres)
    comparable = matching.counts(reference.b_cells, cells, k=k).part(slice(0, matching.known))
    novel_cells = category(found.novel, cells)
    novel = matching.counts(category(found.b_novel, reference.b_cells), novel_cells, k=k)
    of_all = cell_excess(comparable, category(matching.strata < matching.known, cells))
    verdict = judge(
        Channel.CELLS,
        homogeneity_p(comparable),
        share=of_all.beyond / len(cells),
        budget=budget,
        tally=tally_of(Channel.CELLS, comparable, tuple(f"cell {cell}" for cell in range(k)), both_ways=False),
    )
    return of_all, cell_excess(novel, novel_cells), verdict


def _judge_embedding(reference: Reference, matching: Matching, vectors: Floats, budget: float) -> Verdict:
    window = moments(features(reference.frequencies, vectors), matching.strata, known=matching.known)
    apart = distance(reference.usual, window)
    return judge(Channel.EMBEDDING, apart.p, share=apart.least_share, budget=budget)


def _judge_texts(
    reference: Reference, matching: Matching, texts: Sequence[str] | None, budget: float
) -> Iterator[Verdict]:
    if texts is None or not reference.edges:
        return
    of_window = text_traits.measure(texts).categories(reference.edges)
    for column, name in enumerate(text_traits.NAMES):
        k = len(reference.edges[name]) + 1
        counts = matching.counts(reference.b_traits[:, column], of_window[:, column], k=k)
        yield judge_mix(
            Channel.TEXT,
            counts.part(slice(0, matching.known)),
            tuple(f"category {number}" for number in range(1, k + 1)),
            budget=budget,
            scope=name,
            scopes=len(text_traits.NAMES),
        )


def _judge_duplicates(reference: Reference, duplicates: int, distinct: int, budget: float) -> Iterator[Verdict]:
    before, of = reference.duplicates
    if not of:
        return
    items = duplicates + distinct
    beyond = max(0, duplicates - round(_MORE_DUPLICATES * items))
    counts = Counts(*(np.array(value, dtype=np.int64) for value in ([[before]], [[beyond]], [of], [items])))
    share = max(0.0, duplicates / items - before / of)
    tally = tally_of(Channel.DUPLICATES, counts, ("all",), both_ways=False)
    yield judge(Channel.DUPLICATES, float(excess_p(counts)[0]), share=share, budget=budget, tally=tally)
