"""What caps or wrong labels change: the same cells under both terms, side by side."""

from collections.abc import Sequence

import numpy as np

from scripts.bench.selection_loop.comparison import Comparison
from scripts.bench.selection_loop.intervals import paired_difference
from scripts.bench.selection_loop.markdown import NOTHING, gap, number, table
from scripts.bench.selection_loop.measures import MEASURES

_MEASURES = ("macro_f1_area", "rare_pr_auc_area", "found_full")


def changes(plain: Comparison, other: Comparison) -> str:
    """One row a strategy: with and without, and the mean of the paired differences, over sets and seeds of both."""
    rows = []
    for strategy in plain.strategies:
        cells = [_cell(plain, other, measure, strategy) for measure in _MEASURES]
        if any(cell != NOTHING for cell in cells):
            empty = sum(record.missing for record in other.records_of(strategy, plain.sets))
            rows.append([strategy, *cells, str(empty)])
    return table(["strategy", *(MEASURES[measure].title for measure in _MEASURES), "places left empty"], rows)


def pairs(comparisons: Sequence[Comparison]) -> list[tuple[str, Comparison, Comparison]]:
    """A title, and a comparison under plain terms with its like under caps, or with wrong labels."""
    by_condition = {comparison.condition: comparison for comparison in comparisons}
    found = []
    for comparison in comparisons:
        terms = comparison.condition
        if terms.caps and (free := by_condition.get(terms.model_copy(update={"caps": False}))):
            found.append(("What caps cost: with / without", free, comparison))
        if terms.noise and (clean := by_condition.get(terms.model_copy(update={"noise": 0.0}))):
            share = f"{terms.noise:.0%}".replace("%", " %")
            found.append((f"What wrong labels cost: {share} / none", clean, comparison))
    return found


def _cell(plain: Comparison, other: Comparison, measure: str, strategy: str) -> str:
    groups = []
    for name in plain.sets:
        without, with_ = plain.values(measure, name, strategy), other.values(measure, name, strategy)
        groups.append([(without[seed].value, with_[seed].value) for seed in sorted(without.keys() & with_.keys())])
    groups = [group for group in groups if group]
    if not groups:
        return NOTHING
    digits = MEASURES[measure].digits
    before, after = (float(np.mean([np.mean([pair[side] for pair in group]) for group in groups])) for side in (0, 1))
    change = paired_difference([[after - before for before, after in group] for group in groups])
    return f"{number(after, digits)} / {number(before, digits)} ({gap(change, digits)})"
