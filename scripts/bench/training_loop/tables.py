"""The tables of the report."""

from collections.abc import Mapping, Sequence

import numpy as np

from scripts.bench.selection_loop.intervals import Difference, paired_difference
from scripts.bench.selection_loop.markdown import NOTHING, gap, number, table
from scripts.bench.training_loop.methods import METHODS, PLAIN, PRODUCT
from scripts.bench.training_loop.record import Cell, Record

_DIGITS = 3
MEASURES: Mapping[str, str] = {
    "rare_pr_auc": "PR-AUC of rare classes",
    "macro_f1": "macro-F1",
    "calibration_error": "calibration error",
}

Records = Mapping[Cell, Record]


def report(records: Records) -> str:
    """All tables: over the sets for each number of labels, beside plain regression and the product, then set by set."""
    sizes = sorted({cell.labels for cell in records})
    sets = list(dict.fromkeys(cell.set for cell in records))
    parts = [_about(records)]
    for measure, title in MEASURES.items():
        parts += [f"### {title}, over the sets", over_sets(records, measure, sizes)]
    for measure in ("rare_pr_auc", "macro_f1"):
        parts += [f"### {MEASURES[measure]}, difference to {PRODUCT}", against_product(records, measure, sizes)]
    for measure in ("rare_pr_auc", "macro_f1"):
        for labels in sizes:
            parts += [f"### {MEASURES[measure]}, {labels:,} labels", by_set(records, measure, labels, sets)]
    return "\n\n".join([*parts, "### Seconds of training", seconds(records, sizes)]) + "\n"


def over_sets(records: Records, measure: str, sizes: Sequence[int]) -> str:
    """One row a method, one column a number of labels: the mean, and the difference to plain logistic regression."""
    rows = [[method, *(_cell(records, measure, method, labels) for labels in sizes)] for method in _methods(records)]
    return table(["trained by", *(f"{labels:,} labels" for labels in sizes)], rows)


def against_product(records: Records, measure: str, sizes: Sequence[int]) -> str:
    """One row a method, one column a number of labels: the difference to the product over the sets."""
    rows = [
        [method, *(gap(_difference(records, measure, method, PRODUCT, labels), _DIGITS) for labels in sizes)]
        for method in _methods(records)
        if method != PRODUCT
    ]
    return table(["trained by", *(f"{labels:,} labels" for labels in sizes)], rows)


def by_set(records: Records, measure: str, labels: int, sets: Sequence[str]) -> str:
    """One row a method, one column a set."""
    there = [name for name in sets if _values(records, measure, PLAIN, labels).get(name)]
    rows = [
        [method, *(_cell(records, measure, method, labels, only=name) for name in there)]
        for method in _methods(records)
    ]
    return table(["trained by", *there], rows)


def seconds(records: Records, sizes: Sequence[int]) -> str:
    """Mean seconds of a training over sets and seeds."""
    rows = []
    for method in _methods(records):
        of = [
            [record.seconds for cell, record in records.items() if (cell.method, cell.labels) == (method, labels)]
            for labels in sizes
        ]
        rows.append([method, *(number(float(np.mean(found)), 2) if found else NOTHING for found in of)])
    return table(["trained by", *(f"{labels:,} labels" for labels in sizes)], rows)


def _about(records: Records) -> str:
    seeds = len({cell.seed for cell in records})
    dates = sorted({record.date for record in records.values()})
    machines = sorted({record.machine for record in records.values()})
    return (
        f"Labels drawn at random, {seeds} seeds; {' and '.join(machines)}; {' to '.join(dict.fromkeys(dates))}. In "
        f"brackets the difference to `{PLAIN}` with a 95 % interval (paired bootstrap over the seeds)."
    )


def _methods(records: Records) -> list[str]:
    there = {cell.method for cell in records}
    return [method for method in METHODS if method in there]


def _values(records: Records, measure: str, method: str, labels: int) -> dict[str, dict[int, float]]:
    """Values by set and seed."""
    found: dict[str, dict[int, float]] = {}
    for cell, record in records.items():
        value = getattr(record, measure)
        if (cell.method, cell.labels) == (method, labels) and value is not None:
            found.setdefault(cell.set, {})[cell.seed] = value
    return found


def _cell(records: Records, measure: str, method: str, labels: int, only: str | None = None) -> str:
    values = _values(records, measure, method, labels)
    sets = [name for name in values if only in (None, name)]
    if not sets:
        return NOTHING
    mean = number(float(np.mean([np.mean(list(values[name].values())) for name in sets])), _DIGITS)
    if method == PLAIN:
        return mean
    return f"{mean} ({gap(_difference(records, measure, method, PLAIN, labels, only), _DIGITS)})"


def _difference(
    records: Records, measure: str, method: str, base: str, labels: int, only: str | None = None
) -> Difference | None:
    """Mean difference over the sets, of the seeds that both have."""
    ours, theirs = (_values(records, measure, name, labels) for name in (method, base))
    return paired_difference(
        [
            [ours[name][seed] - theirs[name][seed] for seed in ours[name].keys() & theirs.get(name, {}).keys()]
            for name in ours
            if only in (None, name)
        ]
    )
