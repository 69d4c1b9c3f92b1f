"""Evaluation on the audit sample: cross-fitted, weighted, with intervals. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.training import audit
from workers.training.classifier import Recipe
from workers.training.crossfit import CrossFit, cross_fit
from workers.training.error_costs import cost_curve, cost_matrix, item_costs
from workers.training.goals import FEW, check_goal, margins
from workers.training.intervals import Design, Doubles, bootstrap
from workers.training.metrics import Interval, Metrics, Ranking, evaluate, rates
from workers.training.reliability import expected_calibration_error, reliability

_CURVES, _CURVE_POINTS = 12, 60


@dataclass(frozen=True)
class _Audited:
    """Answered audit items with what is known and said of them."""

    config: ProjectConfig
    classes: tuple[str, ...]
    targets: Mask
    said: CrossFit
    design: Design
    found: Metrics
    rng: np.random.Generator

    @property
    def exclusive(self) -> bool:
        """Whether an item has exactly one class."""
        return self.config.task is Task.SINGLE


def evaluate_on_audit(
    pool: Pool,
    config: ProjectConfig,
    thresholds: Mapping[str, float],
    *,
    recipe: Recipe,
    rng: np.random.Generator,
    seed: int,
    ratios: Doubles | None = None,
) -> dict[str, Any]:
    """Quality of a model trained as the current one is, on the labeled part of the audit sample.

    Every audit item is predicted by a model that saw neither it nor its family: the audit items are divided by their
    recorded folds, and those of each fold are predicted by a model trained on all other labels. Each item weighs as
    many items of the pool as it stands for.

    Args:
        pool: The pool.
        config: The project.
        thresholds: The audit sample's, by stratum.
        recipe: Of the model; calibration and decisions are found anew in each fold.
        rng: Source of the bootstrap's draws.
        seed: Of folds that are not recorded yet.
        ratios: (n_classes,) of the model's correction for new class shares; None without one.

    Returns:
        JSON-ready; an interval is `value`, `low` and `high`, or None where it can't be had. `n` audit items, `labels`,
        `macro_f1`, `macro_pr_auc`, `accuracy`, `cost` of an item on average, `per_class` rates, `prevalence_by_source`,
        `too_few` (classes with under 5 audit items), `confusion` (shares of the pool by true and decided class),
        `curves` of precision by recall, `reliability` (bins and calibration error, after calibration and before),
        `cost_curves` and `goals`.
    """
    rows, labels = audit.answers(pool, thresholds), int(pool.labeled.sum())
    said = cross_fit(pool, rows, config, recipe=recipe, seed=seed, ratios=ratios) if len(rows) else None
    if said is None:
        return {"n": len(rows), "labels": labels, "macro_f1": None, "per_class": {}, "too_few": list(pool.classes)}
    weighed = audit.weigh(pool, thresholds, rows)
    design = Design(weighed.weights, weighed.strata, pool.families[rows])
    targets = pool.targets[rows]
    found = evaluate(targets, said.decided, said.probability, classes=pool.classes, weights=design.weights)
    audited = _Audited(config, pool.classes, targets, said, design, found, rng)
    macro_f1, macro_pr_auc, areas = _bootstrapped(audited)
    return {
        "n": len(rows),
        "labels": labels,
        "macro_f1": _json(macro_f1),
        "macro_pr_auc": _json(macro_pr_auc),
        "accuracy": float(np.average((targets == said.decided).all(axis=1), weights=design.weights)),
        "cost": _cost(audited),
        "per_class": {name: _class(audited, column, areas[column]) for column, name in enumerate(pool.classes)},
        "prevalence_by_source": _prevalence_by_source(audited, pool, rows),
        "too_few": [name for name, metrics in found.per_class.items() if metrics.support < FEW],
        "confusion": _confusion(audited) if audited.exclusive else None,
        "curves": _curves(audited),
        "reliability": _reliability(audited),
        "cost_curves": _cost_curves(audited),
        "goals": _goals(audited),
    }


def _bootstrapped(audited: _Audited) -> tuple[Interval | None, Interval | None, list[Interval | None]]:
    """Macro-F1, macro-PR-AUC and each class's PR-AUC."""
    targets, decided = audited.targets, audited.said.decided
    ranking, support = Ranking.of(targets, audited.said.probability), targets.sum(axis=0).astype(np.float64)

    def figures(weights: Doubles) -> Doubles:
        seen = (targets * weights[:, None]).sum(axis=0) > 0
        f1, areas = rates(targets, decided, weights)[2], ranking.average_precisions(weights)
        macro = [f1[seen].mean(), areas[seen].mean()] if seen.any() else [np.nan, np.nan]
        return np.concatenate([macro, np.where(seen, areas, np.nan)])

    whole = support.sum()
    found = bootstrap(audited.design, figures, sizes=np.concatenate([[whole, whole], support]), rng=audited.rng)
    return found[0], found[1], found[2:]


def _class(audited: _Audited, column: int, area: Interval | None) -> dict[str, Any]:
    metrics = audited.found.per_class[audited.classes[column]]
    true = audited.targets[:, column].astype(np.float64)
    said = audited.said.decided[:, column].astype(np.float64)
    return {
        **_named("precision", audited.design.ratio(true * said, said), metrics.precision),
        **_named("recall", _recall(audited, column), metrics.recall),
        "f1": metrics.f1,
        **_named("pr_auc", area, metrics.pr_auc),
        "roc_auc": _roc_auc(audited, column),
        "support": metrics.support,
        **_named("prevalence", audited.design.ratio(true, np.ones(len(true))), 0.0),
    }


def _recall(audited: _Audited, column: int) -> Interval | None:
    true = audited.targets[:, column].astype(np.float64)
    said = audited.said.decided[:, column].astype(np.float64)
    chance = audited.said.probability[:, column].astype(np.float64)
    return audited.design.recall(true * said, true, expected=(chance * said, chance * (1 - said)))


def _named(name: str, interval: Interval | None, value: float | None) -> dict[str, Any]:
    if interval is None:
        return {name: value}
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _roc_auc(audited: _Audited, column: int) -> float | None:
    """Weighted chance that an item of the class is more probably of it than another; ties count by half."""
    true, weights = audited.targets[:, column], audited.design.weights
    if true.all() or not true.any():
        return None
    values, place = np.unique(audited.said.probability[:, column], return_inverse=True)
    others = np.bincount(place, weights * ~true, minlength=len(values))
    below = others.cumsum() - others / 2
    return float((weights * true) @ below[place] / ((weights @ true) * others.sum()))


def _cost(audited: _Audited) -> dict[str, float] | None:
    matrix = cost_matrix(audited.config)
    costs = item_costs(audited.targets, audited.said.decided, matrix, exclusive=audited.exclusive)
    # As a share of the dearest item: beside the sum of all errors that an item may hold, each would be next to nothing.
    most = float(max(matrix.max(), costs.max(initial=0.0)))
    found = audited.design.ratio(costs / most, np.ones(len(costs))) if most else None
    return None if found is None else {name: value * most for name, value in asdict(found).items()}


def _prevalence_by_source(audited: _Audited, pool: Pool, rows: Index) -> dict[str, dict[str, Any]]:
    sources = pool.sources[pool.representative_of(rows)]
    return {
        pool.source_names[source]: {
            name: _json(audited.design.ratio(audited.targets[:, column] * inside, inside))
            for column, name in enumerate(audited.classes)
            if audited.found.per_class[name].support
        }
        for source in np.unique(sources).tolist()
        for inside in [(sources == source).astype(np.float64)]
    }


def _confusion(audited: _Audited) -> dict[str, Any]:
    share = (audited.targets * audited.design.weights[:, None]).T @ audited.said.decided / audited.design.weights.sum()
    return {"classes": list(audited.classes), "share": np.round(share, 6).tolist()}


def _curves(audited: _Audited) -> dict[str, Any]:
    """Of the classes with the fewest audit items, those with a goal before all."""
    per_class, goals = audited.found.per_class, audited.config.goals
    there = [name for name in audited.classes if per_class[name].support]
    shown = sorted(there, key=lambda name: (name not in goals, per_class[name].support))[:_CURVES]
    ranking = Ranking.of(audited.targets, audited.said.probability)
    found = {}
    for name in shown:
        column = audited.classes.index(name)
        recall, precision = ranking.curve(column, audited.design.weights, points=_CURVE_POINTS)
        found[name] = {"recall": recall, "precision": precision}
    return found


def _reliability(audited: _Audited) -> dict[str, Any]:
    """Of the most probable class of each item, or of all classes where they don't exclude each other."""
    after, before = audited.said.probability, audited.said.before
    return {
        "bins": _bins(audited, after),
        "bins_before": _bins(audited, before),
        "ece": _calibration_error(audited, after),
        "ece_before": _calibration_error(audited, before),
    }


def _bins(audited: _Audited, probability: Floats) -> list[dict[str, float]]:
    said, came, design = _asked(audited, probability)
    return reliability(said, came, design.weights, ratio=design.ratio)


def _calibration_error(audited: _Audited, probability: Floats) -> dict[str, float]:
    said, came, design = _asked(audited, probability)
    return asdict(expected_calibration_error(said, came, design.weights, design.families, rng=audited.rng))


def _asked(audited: _Audited, probability: Floats) -> tuple[Floats, Mask, Design]:
    """What was predicted, whether it came true, and how it was drawn."""
    hits, design = audited.targets, audited.design
    if audited.exclusive:
        best = np.arange(len(hits)), probability.argmax(axis=1)
        return probability[best], hits[best], design
    each = np.repeat(np.arange(len(hits)), hits.shape[1])
    repeated = Design(design.weights[each], design.strata[each], design.families[each])
    return probability.ravel(), hits.ravel(), repeated


def _cost_curves(audited: _Audited) -> dict[str, Any]:
    named = {*audited.config.costs, *audited.config.error_costs, *audited.config.goals}
    return {
        name: dict(
            cost_curve(
                audited.targets,
                audited.said.scores,
                audited.design.weights,
                cost_matrix(audited.config),
                column=column,
                exclusive=audited.exclusive,
            )
        )
        for column, name in enumerate(audited.classes)
        if name in named
    }


def _goals(audited: _Audited) -> dict[str, Any]:
    margin = margins(audited.said.scores, exclusive=audited.exclusive)
    return {
        name: check_goal(
            name,
            goal,
            truth=audited.targets[:, column],
            decided=audited.said.decided[:, column],
            margin=margin[:, column],
            weights=audited.design.weights,
            recall=_recall(audited, column),
            ratio=audited.design.ratio,
        )
        for name, goal in audited.config.goals.items()
        for column in [audited.classes.index(name)]
    }


def _json(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)
