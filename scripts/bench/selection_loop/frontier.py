"""The frontier: what a strategy finds of the rare items against how well the model learns from what it asks for."""

import numpy as np

from scripts.bench.selection_loop.comparison import PRODUCT, Comparison
from scripts.bench.selection_loop.markdown import NOTHING, mean_of, table
from scripts.bench.selection_loop.measures import MEASURES

_FOUND = "found_full"
_QUALITY = ("macro_f1_area", "rare_pr_auc_area")


def frontier_table(comparison: Comparison) -> str:
    """One row a set and strategy; in bold what no other strategy has more of both, rare items found and quality."""
    head = [
        "set",
        "strategy",
        MEASURES[_FOUND].title,
        *(MEASURES[measure].title for measure in _QUALITY),
    ]
    rows = [row for name in comparison.sets for row in _rows(comparison, name)]
    return "\n\n".join([table(head, rows), *(_sentence(comparison, measure) for measure in _QUALITY)])


def on_frontier(found: dict[str, float], quality: dict[str, float]) -> set[str]:
    """Strategies that no other beats: none has at least as much of both and more of one."""
    both = {strategy: (found[strategy], quality[strategy]) for strategy in found if strategy in quality}
    return {
        strategy
        for strategy, (share, height) in both.items()
        if not any(
            other >= share and level >= height and (other, level) != (share, height) for other, level in both.values()
        )
    }


def _rows(comparison: Comparison, name: str) -> list[list[str]]:
    found = _means(comparison, _FOUND, name)
    best = {measure: on_frontier(found, _means(comparison, measure, name)) for measure in _QUALITY}
    rows = []
    for strategy in comparison.strategies:
        cells = [_cell(comparison, measure, name, strategy, bold=strategy in best[measure]) for measure in _QUALITY]
        share = _cell(comparison, _FOUND, name, strategy, bold=False)
        if any(cell != NOTHING for cell in (share, *cells)):
            rows.append([name, strategy, share, *cells])
    return rows


def _cell(comparison: Comparison, measure: str, name: str, strategy: str, *, bold: bool) -> str:
    text = mean_of(comparison.summary(measure, name, strategy), MEASURES[measure].digits)
    return f"**{text}**" if bold else text


def _means(comparison: Comparison, measure: str, name: str) -> dict[str, float]:
    summaries = {strategy: comparison.summary(measure, name, strategy) for strategy in comparison.strategies}
    return {strategy: summary.mean for strategy, summary in summaries.items() if summary is not None}


def _sentence(comparison: Comparison, measure: str) -> str:
    """On how many sets the product is on the frontier."""
    inside = [
        PRODUCT in on_frontier(_means(comparison, _FOUND, name), found)
        for name in comparison.sets
        if PRODUCT in (found := _means(comparison, measure, name))
    ]
    return (
        f"By {MEASURES[measure].title} `{PRODUCT}` is on the frontier of {np.sum(inside, dtype=int)} of {len(inside)} "
        "sets."
    )
