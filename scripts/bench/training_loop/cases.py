"""A case: one set as one seed sees it, with so many labels drawn at random; and one method in it."""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from scripts.bench.selection_loop.prepared import Prepared
from scripts.bench.training_loop.methods import METHODS, Task
from scripts.bench.training_loop.record import Cell, Record
from shared.pool import Floats, Index, Mask
from shared.project import ProjectConfig
from workers.simulation.replay import rare_classes
from workers.training.metrics import evaluate

_DIGITS = 5
_BINS = 10


def run_cells(prepared: Prepared, cells: Sequence[Cell], *, machine: str) -> Iterator[Record]:
    """Train and measure the cells of one set and seed; those that want more labels than there are, are left out."""
    order = np.random.default_rng(cells[0].seed).permutation(prepared.data.pool.eligible)
    for cell in cells:
        if cell.labels <= len(order):
            yield _run(prepared, cell, _task(prepared, order[: cell.labels], seed=cell.seed), machine)


def _task(prepared: Prepared, drawn: Index, *, seed: int) -> Task:
    data = prepared.data
    is_labeled = np.isin(np.arange(len(data.pool)), drawn)
    pool = replace(data.pool, labeled=is_labeled, targets=data.truth & is_labeled[:, None])
    config = ProjectConfig(task=prepared.task, classes=pool.classes, seed=seed)
    return Task(pool, np.flatnonzero(is_labeled), config, data.test.rows)


def _run(prepared: Prepared, cell: Cell, task: Task, machine: str) -> Record:
    rare = rare_classes(prepared.data) if prepared.rare is None else prepared.rare
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes with few items, which are what this is about
        probability, decided = METHODS[cell.method](task)
    seconds = time.perf_counter() - start
    targets = prepared.data.test.targets
    found = evaluate(targets, decided, probability, classes=task.pool.classes)
    areas = [area for name in rare if (area := found.per_class[name].pr_auc) is not None]
    sizes = task.pool.targets.sum(axis=0)
    return Record(
        cell=cell,
        rare_classes=tuple(rare),
        rare_labels=int(sizes[sizes > 0].min()),
        macro_f1=round(found.macro_f1, _DIGITS),
        rare_pr_auc=round(float(np.mean(areas)), _DIGITS) if areas else None,
        calibration_error=round(calibration_error(targets, probability), _DIGITS),
        seconds=round(seconds, 3),
        machine=machine,
        date=datetime.now(UTC).date().isoformat(),
    )


def calibration_error(targets: Mask, probability: Floats) -> float:
    """Mean over the classes of the distance between probabilities and frequencies, in ten bins of as many items."""
    order = np.argsort(probability, axis=0, kind="stable")
    gaps = np.take_along_axis(probability - targets, order, axis=0)
    bins = np.array_split(gaps, _BINS)
    return float(sum(np.abs(part.sum(axis=0)) for part in bins).mean() / len(gaps))
