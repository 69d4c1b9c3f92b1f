"""Metrics as an evaluation writes them, from made-up scores: consistent with each other, for any number of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.reporting.growth import LabelsOfRound
from workers.reporting.history import BatchLine, History, MeasuredModel
from workers.reporting.status import LabelCount

Doubles = NDArray[np.float64]
_POINTS = 60
_START = 1.79e9
_CHANNELS = {"audit": 5, "rule": 4, "coverage": 8, "likely": 13, "anchor": 5, "boundary": 15}


def made_up_metrics(
    classes: Sequence[str],
    shares: Sequence[float],
    *,
    items: int,
    skill: float = 3.0,
    sources: Sequence[str] = ("chat", "mail"),
    goals: Mapping[str, Mapping[str, float | None]] | None = None,
    costs: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Of a model that gives each item's true class `skill` more than chance gives the others.

    Args:
        classes: names.
        shares: of the pool, by class; they add up to 1.
        items: in the audit sample.
        skill: how well the model knows the classes.
        sources: names.
        goals: class -> wanted recall and precision.
        costs: classes with a cost curve.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(classes), size=items, p=np.array(shares))
    score = rng.normal(size=(items, len(classes))) + np.log(np.array(shares) + 1e-4)
    score[np.arange(items), truth] += skill
    probability = np.exp(score - score.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    hits = truth[:, None] == np.arange(len(classes))
    decided = probability.argmax(axis=1)[:, None] == np.arange(len(classes))
    curves = {name: _curve(hits[:, place], probability[:, place]) for place, name in enumerate(classes)}
    per_class = {
        name: _class(hits[:, place], decided[:, place], area=_area(curves[name])) for place, name in enumerate(classes)
    }
    seen = [found for found in per_class.values() if found["support"]]
    source = np.arange(items) % len(sources)
    share = hits.T.astype(float) @ decided / items
    return {
        "n": items,
        "labels": 10 * items,
        "macro_f1": _around(float(np.mean([found["f1"] for found in seen])), items),
        "macro_pr_auc": _around(float(np.mean([found["pr_auc"] for found in seen])), items),
        "accuracy": float((hits & decided).sum() / items),
        "cost": _around(1.3 * float((hits & ~decided).sum() / items), items),
        "per_class": per_class,
        "prevalence_by_source": {
            name: {one: _share(hits[source == place, column]) for column, one in enumerate(classes)}
            for place, name in enumerate(sources)
        },
        "too_few": [name for name, found in per_class.items() if found["support"] < 5],
        "confusion": {"classes": list(classes), "share": share.tolist()},
        "curves": curves,
        "reliability": {
            "bins": _bins(probability.max(axis=1), (hits & decided).any(axis=1)),
            "bins_before": _bins(probability.max(axis=1) ** 3, (hits & decided).any(axis=1)),
            "ece": {"value": 0.031, "low": 0.012, "high": 0.052},
            "ece_before": {"value": 0.142, "low": 0.11, "high": 0.18},
        },
        "cost_curves": {
            name: _costs(hits[:, place], probability[:, place]) for place, name in enumerate(classes) if name in costs
        },
        "goals": {name: _goal(name, wanted, per_class[name]) for name, wanted in (goals or {}).items()},
    }


def _class(hits: NDArray[np.bool_], decided: NDArray[np.bool_], *, area: float) -> dict[str, Any]:
    both, true, said = int((hits & decided).sum()), int(hits.sum()), int(decided.sum())
    recall, precision = both / max(1, true), both / max(1, said)
    return {
        **(_named("precision", _around(precision, said)) if said else {"precision": 0.0}),
        **(_named("recall", _around(recall, true)) if true else {"recall": 0.0}),
        "f1": 2 * both / max(1, true + said),
        **(_named("pr_auc", _around(area, true)) if true else {"pr_auc": None}),
        "roc_auc": 0.97,
        "support": true,
        **_named("prevalence", _share(hits)),
    }


def _named(name: str, found: dict[str, float]) -> dict[str, float]:
    return {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}


def _around(value: float, items: int) -> dict[str, float]:
    half = 1 / np.sqrt(max(1, items) + 3)
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def _share(hits: NDArray[np.bool_]) -> dict[str, float]:
    value, half = float(hits.mean()), 1.96 * float(hits.std()) / np.sqrt(len(hits))
    return {"value": value, "low": max(0.0, value - half), "high": min(1.0, value + half + 2 / len(hits))}


def _curve(hits: NDArray[np.bool_], probability: Doubles) -> dict[str, list[float]]:
    found = hits[np.argsort(-probability)].cumsum()
    recall, precision = found / max(1, found[-1]), found / np.arange(1, len(found) + 1)
    shown = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1, _POINTS)).clip(max=len(found) - 1))
    return {"recall": recall[shown].tolist(), "precision": precision[shown].tolist()}


def _area(curve: Mapping[str, list[float]]) -> float:
    return float((np.diff(curve["recall"], prepend=0) * curve["precision"]).sum())


def _bins(said: Doubles, came: NDArray[np.bool_]) -> list[dict[str, float]]:
    found = []
    for inside in np.array_split(np.argsort(said), 10):
        around = _around(float(came[inside].mean()), len(inside))
        found.append(
            {
                "probability": float(said[inside].mean()),
                "frequency": around["value"],
                "low": around["low"],
                "high": around["high"],
                "share": len(inside) / len(said),
            }
        )
    return found


def _costs(hits: NDArray[np.bool_], probability: Doubles) -> dict[str, list[float]]:
    """A miss costs ten, a false alarm one."""
    found = np.append(0, hits[np.argsort(-probability)].cumsum())
    said = np.arange(len(found))
    cost = (10 * (found[-1] - found) + said - found) / len(hits)
    shown = np.unique(np.linspace(0, len(found) - 1, _POINTS).round().astype(int))
    return {"flagged": (said[shown] / len(hits)).tolist(), "cost": cost[shown].tolist()}


def _goal(name: str, wanted: Mapping[str, float | None], found: Mapping[str, Any]) -> dict[str, Any]:
    rates = {
        rate: {"value": found[rate], "low": found[f"{rate}_low"], "high": found[f"{rate}_high"]}
        if f"{rate}_low" in found
        else None
        for rate in ("recall", "precision")
    }
    if found["support"] < 5:
        return {**rates, "wanted": wanted, "met": None, "sentence": f"{name}: not known yet."}
    met = all(least is None or found[rate] >= least for rate, least in wanted.items())
    return {**rates, "wanted": wanted, "met": met, "sentence": f"{name}: the goal is {'met' if met else 'not met'}."}


def made_up_history(
    classes: Sequence[str],
    shares: Sequence[float],
    *,
    rounds: int = 12,
    sources: Sequence[str] = ("chat", "mail"),
    goals: Mapping[str, Mapping[str, float | None]] | None = None,
    task: str = "single",
    items: int = 400,
    skill: float = 3.0,
) -> History:
    """A project some rounds into its life, each of 50 labels, a tenth of them for the audit sample."""
    rng = np.random.default_rng(1)
    growth = [
        LabelsOfRound(number, channel, (name,), int(count))
        for number in range(rounds + 1)
        for channel, wanted in ({"unasked": 30} if number == 0 else _CHANNELS).items()
        for name, count in zip(classes, rng.multinomial(wanted, _leaning(shares, channel)), strict=True)
        if count
    ]
    by_class = {name: sum(one.items for one in growth if name in one.classes) for name in classes}
    models = [
        MeasuredModel(
            number,
            30 + 50 * number,
            _START + 3_600.0 * number,
            made_up_metrics(
                classes,
                shares,
                items=max(20, items * number // rounds),
                skill=skill * (0.4 + 0.6 * number / rounds),
                sources=sources,
                goals=goals,
                costs=list(goals or ()),
                seed=number,
            ),
        )
        for number in range(1, rounds + 1)
    ]
    reached = models[-1].metrics["goals"]
    mix = rng.dirichlet(np.full(len(sources), 2.0))
    of_sources = {name: int(20_000 * share) for name, share in zip(sources, mix, strict=True)}
    labeled = {name: int(sum(by_class.values()) * share) for name, share in zip(sources, mix, strict=True)}
    status = {
        "project": "made-up",
        "task": task,
        "classes": list(classes),
        "items": {"total": sum(of_sources.values()), "distinct": 19_000, "embedded": 19_000, "by_source": of_sources},
        "labels": {
            "total": sum(by_class.values()),
            "by_class": by_class,
            "by_source": labeled,
            "submissions": 700,
            "late": 3,
            "unasked": 30,
        },
        "agreement": {"items": 0, "pairs": 0, "equal": 0, "share": None},
        "queue": {"waiting": 30, "leased": 4, "done": 600},
        "rounds": rounds,
        "model": {"version": rounds, "labels": 30 + 50 * rounds, "metrics": models[-1].metrics},
        "goals": {name: {"wanted": dict(wanted), **reached[name]} for name, wanted in (goals or {}).items()},
        "done": [classes[-1]],
        "rules": [
            {"rule": "money back", "class": classes[-1], "kind": "keywords", "hits": 210, "labels": 40, "right": 21}
            | {"precision": {"value": 0.525, "low": 0.38, "high": 0.67}, "stopped": False}
            | {"prior": {"value": 0.01, "low": 0.004, "high": 0.02}},
            {"rule": "angry words", "class": classes[0], "kind": "pattern", "hits": 900, "labels": 300, "right": 2}
            | {"precision": {"value": 0.007, "low": 0.002, "high": 0.024}, "stopped": True}
            | {"prior": {"value": 0.4, "low": 0.35, "high": 0.45}},
        ],
        "drift": {"windows": 0, "last": None, "campaigns": 0, "campaigns_waiting": 0},
        "lanes": {},
        "events": [],
        "dead_letters": 0,
    }
    return History(
        status=status,
        targets={classes[-1]: 60},
        models=models,
        labels=[
            LabelCount(source, (name,), max(1, int(count * share)))
            for source, share in zip(sources, mix, strict=True)
            for name, count in by_class.items()
        ],
        growth=growth,
        batches=[
            BatchLine(n, n, 50, 50, dict(_CHANNELS), 50, 50, [], 0.8, 0.3, _START + 3_600.0 * n)
            for n in range(1, rounds + 1)
        ],
        windows=[],
        alarms=[],
        typical={},
        campaigns=[],
        letters=[],
        read_at=_START + 100_000.0,
    )


def _leaning(shares: Sequence[float], channel: str) -> Doubles:
    """What a channel finds: those that seek rare classes find more of them."""
    power = {"audit": 1.0, "unasked": 1.0, "likely": 0.1, "anchor": 0.2, "rule": 0.3}.get(channel, 0.7)
    found = np.array(shares) ** power
    return np.asarray(found / found.sum())
