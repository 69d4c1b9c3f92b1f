"""The tables of the honesty bench."""

from collections.abc import Sequence

import numpy as np

from scripts.bench.honesty_loop.budget import Budget
from scripts.bench.honesty_loop.figures import FIGURES, Told
from scripts.bench.selection_loop.markdown import number, percent, table
from workers.selection.proportions import wilson


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
    """By set: median items asked for by both ways, and how many times as many drawing alike takes."""
    head = ("set", "class", "share", "recall", "±", "by bands", "alike", "alike / bands")
    rows = []
    for name in sorted({one.set for one in budgets}):
        mine = [one for one in budgets if one.set == name]
        # Where even the whole pool did not do, it is what was asked for at least.
        banded = np.array([one.eligible if one.banded is None else one.banded for one in mine])
        alike = np.array([one.eligible if one.alike is None else one.alike for one in mine])
        least = "≥ " if any(one.alike is None for one in mine) else ""
        ratio = np.quantile(alike / np.maximum(banded, 1), [0.25, 0.5, 0.75])
        rows.append(
            (
                name,
                mine[0].class_name,
                percent(float(np.mean([one.share for one in mine])), 1),
                number(float(np.mean([one.recall for one in mine])), 2),
                number(mine[0].width, 2),
                number(float(np.median(banded)), 0),
                least + number(float(np.median(alike)), 0),
                f"{least}{ratio[1]:.1f} ({ratio[0]:.1f} to {ratio[2]:.1f})",
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
