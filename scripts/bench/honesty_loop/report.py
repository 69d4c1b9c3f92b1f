"""The tables of the honesty bench."""

from collections.abc import Sequence

import numpy as np

from scripts.bench.honesty_loop.budget import Budget
from scripts.bench.honesty_loop.figures import FIGURES, Told
from scripts.bench.selection_loop.markdown import number, percent, table
from workers.selection.proportions import wilson

HALF_WIDTH = 0.05


def coverage_table(told: Sequence[Told]) -> str:
    """By figure, and by set for the recall: how often each interval holds the truth, its bias and its width."""
    head = ("figure", "cases", "held, audit sample", "bias", "width", "held, cross-validation", "bias", "width")
    shown = [one for one in told if one.shown]
    by_figure = [(figure, [one for one in shown if one.figure == figure]) for figure in FIGURES]
    sets = sorted({one.set for one in shown})
    recall = [
        (f"recall, {name}", [one for one in shown if one.figure == "recall" and one.set == name]) for name in sets
    ]
    return table(head, [_row(name, cases) for name, cases in [("all", shown), *by_figure, *recall] if cases])


def budget_table(budgets: Sequence[Budget]) -> str:
    """By set: how far off the recall is with as many items by both ways, and what a narrow interval would take."""
    head = (
        "set",
        "class",
        "share",
        "recall",
        "asked",
        "error, by bands",
        "error, alike",
        "times as many alike",
        f"for ±{HALF_WIDTH}, by bands",
        "alike",
    )
    rows = []
    for name in sorted({one.set for one in budgets}):
        mine = [one for one in budgets if one.set == name]
        ratio = np.quantile([one.times_as_many for one in mine], [0.5, 0.25, 0.75])
        banded, alike = np.median([one.items_for(HALF_WIDTH) for one in mine], axis=0)
        rows.append(
            (
                name,
                mine[0].class_name,
                percent(float(np.mean([one.share for one in mine])), 1),
                number(float(np.mean([one.recall for one in mine])), 2),
                number(mine[0].asked, 0),
                number(float(np.mean([one.banded for one in mine])), 3),
                number(float(np.mean([one.alike for one in mine])), 3),
                f"{ratio[0]:.1f} ({ratio[1]:.1f} to {ratio[2]:.1f})",
                number(float(banded), 0),
                number(float(alike), 0),
            )
        )
    return table(head, rows)


def _row(name: str, cases: Sequence[Told]) -> tuple[str, ...]:
    return (name, f"{len(cases):,}", *_held(cases, "reported"), *_held(cases, "naive"))


def _held(cases: Sequence[Told], way: str) -> tuple[str, str, str]:
    found = np.array([getattr(one, way) for one in cases])
    true = np.array([one.true for one in cases])
    held = int(((found[:, 1] <= true) & (true <= found[:, 2])).sum())
    low, high = wilson(held, len(cases))
    return (
        f"{percent(held / len(cases), 1)} ({100 * low:.1f} to {100 * high:.1f})",
        f"{(found[:, 0] - true).mean():+.3f}",
        number(float((found[:, 2] - found[:, 1]).mean()), 3),
    )
