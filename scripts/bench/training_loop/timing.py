"""How long a retraining takes: 5,000 labels of 20 classes, beside scikit-learn's logistic regression at equal loss."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TypeVar

import numpy as np
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from scripts.bench.selection_loop.markdown import NOTHING, number, table
from scripts.bench.selection_loop.prepared import Prepared
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import fitting, solver
from workers.training.tuning import train
from workers.training.weighting import class_weights

SET = "hwu64"
_BEFORE, _LABELS, _CLASSES, _TIMES = 4_900, 5_000, 20, 5

Fitted = tuple[Floats, Floats]
"""Weights (k, d) and bias (k,)."""

T = TypeVar("T")


def time_retraining(prepared: Prepared) -> str:
    """A table of the medians of five runs: one fit with C = 1 by both, and what a round does in all.

    Vectors and labels are those of a real set, whose classes are put together into 20.
    """
    pool, truth = _twenty_classes(prepared)
    order = np.random.default_rng(0).permutation(pool.eligible)
    before, now = (_labeled(pool, truth, order[:count]) for count in (_BEFORE, _LABELS))
    rows, config = np.flatnonzero(now.labeled), ProjectConfig(classes=pool.classes)
    vectors, targets, everything = now.vectors(rows), now.targets[rows], np.arange(_LABELS)
    earlier = np.flatnonzero(before.labeled[rows])
    gathered = fitting.gather(vectors, targets, classes=pool.classes, exclusive=True, costs={})
    last = fitting.fit(gathered, earlier, strength=1.0)
    previous = train(before, config)

    def theirs() -> Fitted:
        found = LogisticRegression(class_weight="balanced", max_iter=2_000).fit(vectors, targets.argmax(axis=1))
        return found.coef_, found.intercept_

    def ours(start: Floats | None) -> Fitted:
        sample = replace(gathered, axes=solver.principal_axes(vectors))
        return solver.turn_back(sample.axes, fitting.fit(sample, everything, strength=1.0, start=start))

    fits: list[tuple[str, Callable[[], Fitted]]] = [
        ("`LogisticRegression`", theirs),
        ("one fit here, from nothing", lambda: ours(None)),
        ("one fit here, from the coefficients of 100 labels ago", lambda: ours(last)),
    ]
    lines = []
    for name, fit in fits:
        seconds, (weights, bias) = _timed(fit)
        lines.append([name, number(seconds, 3), number(_loss(vectors, targets.argmax(axis=1), weights, bias), 5)])
    for name, tuned in (("a whole retraining, tuning kept", previous), ("a whole retraining, tuning found anew", None)):
        seconds, _ = _timed(partial(train, now, config, previous=tuned))
        lines.append([name, number(seconds, 3), NOTHING])
    return table([f"{_LABELS:,} labels, {vectors.shape[1]} dimensions, {_CLASSES} classes", "s", "loss reached"], lines)


def _twenty_classes(prepared: Prepared) -> tuple[Pool, Mask]:
    truth = prepared.data.truth
    of = np.arange(truth.shape[1]) % _CLASSES
    together = np.stack([truth[:, of == number].any(axis=1) for number in range(_CLASSES)], axis=1)
    names = tuple(f"class {number}" for number in range(_CLASSES))
    return replace(prepared.data.pool, classes=names, targets=np.zeros_like(together)), together


def _labeled(pool: Pool, truth: Mask, rows: Index) -> Pool:
    is_labeled = np.isin(np.arange(len(pool)), rows)
    return replace(pool, labeled=is_labeled, targets=truth & is_labeled[:, None])


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        found = run()
        seconds.append(time.perf_counter() - start)
    return median(seconds), found


def _loss(vectors: Floats, answers: Index, weights: Floats, bias: Floats) -> float:
    """What both minimise, with C = 1, reckoned in double precision."""
    weighed = class_weights(np.bincount(answers))[answers]
    right = log_softmax(vectors.astype(np.float64) @ weights.T + bias, axis=1)[np.arange(len(answers)), answers]
    return float(-(weighed * right).mean() + (weights.astype(np.float64) ** 2).sum() / (2 * len(answers)))
