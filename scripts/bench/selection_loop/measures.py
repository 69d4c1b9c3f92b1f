"""Measures of one replay, each a number that a strategy is judged by."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.bench.selection_loop.record import Record


@dataclass(frozen=True)
class Value:
    """A measure's value; `at_least` says that the replay ended before the true one was seen."""

    value: float
    at_least: bool = False


@dataclass(frozen=True)
class Measure:
    """A measure.

    Attributes:
        title: As tables name it.
        of: Its value for a record, given the macro-F1 of a model that has all labels (None when unknown); None where
            it has no meaning.
        higher_is_better: Which way is up.
        digits: Places after the point.
    """

    title: str
    of: Callable[[Record, float | None], Value | None]
    higher_is_better: bool = True
    digits: int = 3


def area(labels: Sequence[int], values: Sequence[float | None], *, until: int) -> float | None:
    """Mean height of a curve between its first point and `until` labels, straight lines between the points.

    A curve that ends before stays as high as it was. None where a value is missing.
    """
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return None
    if until <= labels[0]:
        return known[0]
    inside = [place for place, count in enumerate(labels) if count < until]
    x = [labels[place] for place in inside] + [until]
    y = [known[place] for place in inside] + [float(np.interp(until, labels, known))]
    return float(np.trapezoid(y, x) / (until - labels[0]))


def labels_to_height(labels: Sequence[int], values: Sequence[float], height: float, *, until: int) -> Value:
    """How many labels it took until a curve first reached a height, straight lines between the points."""
    if values[0] >= height:
        return Value(float(labels[0]))
    for place in range(1, len(values)):
        if values[place] >= height:
            share = (height - values[place - 1]) / (values[place] - values[place - 1])
            return Value(labels[place - 1] + share * (labels[place] - labels[place - 1]))
    return Value(float(until), at_least=True)


def share_found(record: Record, labels: int) -> Value | None:
    """Share of the rare items that the first so many labels found."""
    if not record.rare_items:
        return None
    return Value(bisect_right(record.rare_found_at, labels) / record.rare_items)


def labels_to_share(record: Record, share: float) -> Value | None:
    """How many labels it took to find a share of the rare items."""
    if not record.rare_items:
        return None
    wanted = int(np.ceil(share * record.rare_items - 1e-9))
    if len(record.rare_found_at) < wanted:
        return Value(float(record.budget), at_least=True)
    return Value(float(record.rare_found_at[wanted - 1]))


def _area_of(values: Callable[[Record], Sequence[float | None]]) -> Callable[[Record, float | None], Value | None]:
    def of(record: Record, _full: float | None) -> Value | None:
        found = area(record.labels, values(record), until=record.budget)
        return None if found is None else Value(found)

    return of


def _labels_to_full(record: Record, full: float | None) -> Value | None:
    if full is None:
        return None
    return labels_to_height(record.labels, record.macro_f1, 0.95 * full, until=record.budget)


MEASURES: Mapping[str, Measure] = {
    "macro_f1_area": Measure("macro-F1 area", _area_of(lambda record: record.macro_f1)),
    "rare_pr_auc_area": Measure("rare PR-AUC area", _area_of(lambda record: record.rare_pr_auc)),
    "rare_f1_area": Measure("rare F1 area", _area_of(lambda record: record.rare_f1)),
    "found_half": Measure("rare found, half budget", lambda record, _: share_found(record, record.budget // 2)),
    "found_full": Measure("rare found, full budget", lambda record, _: share_found(record, record.budget)),
    "labels_to_80": Measure(
        "labels to 80 % of rare", lambda record, _: labels_to_share(record, 0.8), higher_is_better=False, digits=0
    ),
    "labels_to_90": Measure(
        "labels to 90 % of rare", lambda record, _: labels_to_share(record, 0.9), higher_is_better=False, digits=0
    ),
    "labels_to_full": Measure("labels to 95 % of full F1", _labels_to_full, higher_is_better=False, digits=0),
}
