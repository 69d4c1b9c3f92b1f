"""What a campaign brought: the regime it was about, measured before and after, and what became of old labels. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask, Pool
from shared.project import ProjectConfig
from workers.drift.reference import nearest
from workers.training import audit, classifier, windows
from workers.training.classifier import LinearModel, Recipe
from workers.training.crossfit import cross_fit
from workers.training.intervals import Design
from workers.training.metrics import rates

CHANGED_SHARE = 0.15
"""From so many changed answers on, all labels around are in doubt."""
_FEWEST_AGAIN = 5


def inside(pool: Pool, regime: Mapping[str, float]) -> Mask:
    """(n,) bool, the items of the stretches that a campaign's thresholds name; without any, all items."""
    if not regime:
        return np.ones(len(pool), dtype=bool)
    named: Mask = windows.by_item(regime, pool.ids, pool.sources, pool.source_names) > 0
    return named


def fresh_rows(pool: Pool, thresholds: Mapping[str, float], *, regime: Mapping[str, float], known: Index) -> Index:
    """Positions of the answered audit items of a regime that no model from before the campaign has seen.

    Args:
        pool: The pool.
        thresholds: The audit sample's, by stratum.
        regime: Thresholds that the campaign added, see `inside`.
        known: Row numbers of the items that had an answer before the campaign started.
    """
    seen = np.isin(pool.families, pool.families[np.isin(pool.ids, known)])
    rows = audit.answers(pool, thresholds)
    return rows[~seen[rows] & inside(pool, regime)[pool.representative_of(rows)]]


def found_by_class(
    pool: Pool, thresholds: Mapping[str, float], *, regime: Mapping[str, float], known: Index
) -> dict[str, dict[str, float]]:
    """How much of each class of a regime was found: labeled before and now, and how many its audit items stand for.

    The arguments are those of `fresh_rows`; classes of which nothing is known are left out.
    """
    there, inclusion = inside(pool, regime), audit.measure(pool, thresholds).inclusion
    told, answered = (
        rows[there[pool.representative_of(rows)]] for rows in (pool.told, audit.answers(pool, thresholds))
    )
    weights = 1 / inclusion[pool.representative_of(answered)]
    scale = there[pool.representatives].sum() / weights.sum() if len(weights) else 0.0
    estimated = scale * weights @ pool.targets[answered]
    before = pool.targets[told[np.isin(pool.groups[told], pool.groups[np.isin(pool.ids, known)])]].sum(axis=0)
    now = pool.targets[told].sum(axis=0)
    return {
        name: {"before": int(before[column]), "now": int(now[column]), "estimated": round(float(estimated[column]), 1)}
        for column, name in enumerate(pool.classes)
        if now[column]
    }


def measure(
    pool: Pool,
    config: ProjectConfig,
    thresholds: Mapping[str, float],
    rows: Index,
    *,
    before: LinearModel | None,
    recipe: Recipe,
) -> dict[str, Any]:
    """The regime's figures by the model from before and by today's way of training, on the same items.

    The model from before has seen none of the items; today's is cross-fitted, so that none is predicted by a model that
    has seen it. Each item weighs one over its inclusion probability.

    Args:
        pool: The pool.
        config: The project.
        thresholds: The audit sample's, by stratum.
        rows: (n,) positions, see `fresh_rows`.
        before: The newest model when the campaign started; None where there was none.
        recipe: Of today's model.

    Returns:
        JSON-ready: `items`, and `before` and `after`, each None or `errors` (part of the items decided wrongly, an
        interval), `macro_f1` and by class, of those with an item, `recall` and `items`.
    """
    inclusion = audit.measure(pool, thresholds).inclusion[pool.representative_of(rows)]
    design = Design(1 / inclusion, np.zeros(len(rows), dtype=np.int64), pool.families[rows])
    earlier = None
    if before is not None and before.classes == pool.classes and len(rows):
        earlier = classifier.decide(before, classifier.probabilities(before, pool.features, pool.rows[rows]))
    today = cross_fit(pool, rows, config, recipe=recipe, seed=config.seed) if len(rows) else None
    targets = pool.targets[rows]
    return {
        "items": len(rows),
        "before": None if earlier is None else _figures(pool.classes, targets, earlier, design),
        "after": None if today is None else _figures(pool.classes, targets, today.decided, design),
    }


def _figures(classes: Sequence[str], targets: Mask, decided: Mask, design: Design) -> dict[str, Any]:
    wrong = (targets != decided).any(axis=1).astype(np.float64)
    errors, (_, recall, f1) = design.ratio(wrong, np.ones(len(wrong))), rates(targets, decided, design.weights)
    support = targets.sum(axis=0)
    return {
        "errors": None if errors is None else asdict(errors),
        "macro_f1": float(f1[support > 0].mean()) if support.any() else None,
        "classes": {
            name: {"recall": float(recall[column]), "items": int(support[column])}
            for column, name in enumerate(classes)
            if support[column]
        },
    }


def puts_in_doubt(again: int, changed: int) -> bool:
    """Whether so many changed answers among those asked again put the labels around in doubt."""
    return again >= _FEWEST_AGAIN and changed >= CHANGED_SHARE * again


def around(centres: NDArray[Any], labeled: NDArray[Any], *, near: float) -> Mask:
    """(m,) bool, which labeled items (m, d) are as near to one of `centres` (k, d) as `near`, all unit length."""
    if not len(centres) or not len(labeled):
        return np.zeros(len(labeled), dtype=bool)
    cosine, _ = nearest(centres, labeled)
    close: Mask = cosine >= np.float32(near)
    return close
