"""The metrics of a model version, read: newer versions hold more than older ones, and what is missing is None. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, Any]
"""As `workers.training.evaluation` writes them."""

DETAILS = ("prevalence_by_source", "confusion", "curves", "reliability", "cost_curves")
"""Parts of the metrics that only plots of the newest version need; they are the most of them."""


@dataclass(frozen=True)
class Measure:
    """A figure with its 95 % interval, where one was estimated."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval's ends."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class ClassQuality:
    """One class; `support` counts its audit items, `few` says that they are too few to rely on its rates."""

    name: str
    support: int
    few: bool
    precision: Measure | None
    recall: Measure | None
    f1: Measure | None
    pr_auc: Measure | None
    roc_auc: float | None
    prevalence: Measure | None


@dataclass(frozen=True)
class Quality:
    """A model version; `classes` holds those that were measured."""

    items: int
    macro_f1: Measure | None
    macro_pr_auc: Measure | None
    cost: Measure | None
    accuracy: float | None
    roc_auc: float | None
    classes: dict[str, ClassQuality]

    @property
    def sure(self) -> list[ClassQuality]:
        """The classes with enough audit items."""
        return [found for found in self.classes.values() if not found.few]


def over_classes(metrics: Metrics) -> str:
    """Over which classes a mean goes, in words; nothing where it goes over all."""
    supports = [found.get("support") or 0 for found in metrics["per_class"].values()]
    there = sum(support > 0 for support in supports)
    return "" if there == len(supports) else f", over the {there:,} of {len(supports):,} classes that these items hold"


def read_quality(metrics: Metrics) -> Quality:
    """The figures of a version."""
    few = set(metrics.get("too_few") or ())
    classes = {name: _class(name, found, few=name in few) for name, found in metrics["per_class"].items()}
    areas = [found.roc_auc for found in classes.values() if found.roc_auc is not None and not found.few]
    return Quality(
        items=metrics["n"],
        macro_f1=measure(metrics.get("macro_f1")),
        macro_pr_auc=measure(metrics.get("macro_pr_auc")),
        cost=measure(metrics.get("cost")),
        accuracy=metrics.get("accuracy"),
        roc_auc=sum(areas) / len(areas) if areas else None,
        classes=classes,
    )


def measure(found: Metrics | None) -> Measure | None:
    """An interval as the metrics hold it."""
    return None if found is None or found.get("value") is None else Measure(found["value"], found["low"], found["high"])


def without_details(metrics: Metrics) -> dict[str, Any]:
    """The metrics without what only plots need."""
    return {key: value for key, value in metrics.items() if key not in DETAILS}


def rarest_first(classes: Iterable[str], labels: Mapping[str, int], quality: Quality | None) -> list[str]:
    """Classes by their share of the pool as the audit sample tells it.

    A class of which it holds no item goes by its share of the labels, or by the most that the sample allows for, if
    that is less.
    """
    total = max(1, sum(labels.values()))

    def rarity(name: str) -> tuple[float, int, str]:
        count = labels.get(name, 0)
        found = quality.classes.get(name) if quality else None
        known = found.prevalence if found else None
        if found is None or known is None:
            share = count / total
        elif found.support:
            share = known.value
        else:
            share = min(count / total, known.value if known.high is None else known.high)
        return share, count, name

    return sorted(classes, key=rarity)


def _class(name: str, found: Metrics, *, few: bool) -> ClassQuality:
    return ClassQuality(
        name=name,
        support=found.get("support") or 0,
        few=few,
        precision=_flat(found, "precision"),
        recall=_flat(found, "recall"),
        f1=_flat(found, "f1"),
        pr_auc=_flat(found, "pr_auc"),
        roc_auc=found.get("roc_auc"),
        prevalence=_flat(found, "prevalence"),
    )


def _flat(found: Metrics, name: str) -> Measure | None:
    """A rate whose interval stands beside it."""
    if found.get(name) is None:
        return None
    return Measure(found[name], found.get(f"{name}_low"), found.get(f"{name}_high"))
