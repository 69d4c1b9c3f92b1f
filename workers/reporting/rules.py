"""What each seeding rule hit, and how much of it was right, from aggregates that stay quick on large pools."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Text, cast, func, select
from sqlmodel import Session, col

from shared.labels import LabelJson, classes_of
from shared.project import ProjectConfig, Rule
from shared.tables import Assignment, Label, RuleHit
from workers.reporting.measured import Measure, Quality
from workers.selection.proportions import ENOUGH_AUDIT_ITEMS, stops, wilson
from workers.training.metrics import Interval

_Count = tuple[str, LabelJson | None, int]
"""A rule, a label (None: none yet), and how many items it hits that have this label."""


def rule_lines(session: Session, project_id: int, config: ProjectConfig) -> list[dict[str, Any]]:
    """The rules in the order of the project file, JSON-ready.

    `labels` counts the labeled items among the hits, `right` those of them that are of the rule's class; `precision` is
    null without a label. What a description hits moves with the pool, so its `hits` are null, and of labeled items
    only those count that it hit when a batch chose them.
    """
    counts: list[_Count] = []
    if config.rules:
        counts += _settled(session, project_id)
    if any(rule.description is not None for rule in config.rules):
        counts += _described(session, project_id, config)
    return [_line(rule, [count for count in counts if count[0] == rule.name]) for rule in config.rules]


def kind_of(rule: Rule) -> str:
    """Which of the four kinds a rule is: the name of the option that makes it so."""
    kinds = ("pattern", "description", "hint")
    return next((kind for kind in kinds if getattr(rule, kind) is not None), "keywords")


def rule_precision(line: Mapping[str, Any]) -> tuple[str, str]:
    """The precision of one of the `rule_lines` and its interval, as people read them; blank without a label."""
    found = line["precision"]
    return ("", "") if found is None else (f"{found['value']:.2f}", f"{found['low']:.2f} to {found['high']:.2f}")


def judge(lines: Iterable[Mapping[str, Any]], quality: Quality | None) -> list[dict[str, Any]]:
    """The `rule_lines`, each with what is known of its class and whether it still gets places.

    `prior` is the share of its class in the pool by the newest measured version, null while that has too few audit
    items to be asked. `stopped` is whether the rule surely finds less of its class than that, or hardly anything; null
    where only a round could tell, which asks the model of the whole pool as long as there is no such share.

    Args:
        lines: As `rule_lines` returns them.
        quality: Of the newest measured version.
    """
    return [{**line, **_standing(line, _prior(line["class"], quality))} for line in lines]


def stopped_rules(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the judged rules that surely get no places."""
    return [line["rule"] for line in lines if line["stopped"]]


def _prior(name: str, quality: Quality | None) -> Measure | None:
    if quality is None or quality.items < ENOUGH_AUDIT_ITEMS:
        return None
    found = quality.classes.get(name)
    return found.prevalence if found else None


def _standing(line: Mapping[str, Any], prior: Measure | None) -> dict[str, Any]:
    known = prior and {"value": prior.value, "low": prior.low, "high": prior.high}
    if line["precision"] is None:
        return {"prior": known, "stopped": False}
    stopped = stops(Interval(**line["precision"]), _interval(prior))
    return {"prior": known, "stopped": stopped if stopped or prior else None}


def _interval(prior: Measure | None) -> Interval:
    if prior is None:
        return Interval(0.0, 0.0, 0.0)
    low, high = prior.interval or (prior.value, prior.value)
    return Interval(prior.value, low, high)


def _line(rule: Rule, counts: Iterable[_Count]) -> dict[str, Any]:
    hits = labels = right = 0
    for _, label, items in counts:
        hits += items
        labels += items if label is not None else 0
        right += items if label is not None and rule.label in classes_of(label) else 0
    low, high = wilson(right, labels)
    return {
        "rule": rule.name,
        "class": rule.label,
        "kind": kind_of(rule),
        "hits": hits if rule.description is None else None,
        "labels": labels,
        "right": right,
        "precision": {"value": right / labels, "low": low, "high": high} if labels else None,
    }


def _settled(session: Session, project_id: int) -> list[_Count]:
    value = cast(col(Label.value), Text)
    statement = (
        select(col(RuleHit.rule), value, func.count())
        .outerjoin(Label, col(Label.item) == col(RuleHit.item))
        .where(col(RuleHit.project_id) == project_id)
        .group_by(col(RuleHit.rule), value)
    )
    return [
        (rule, None if text is None else json.loads(text), items)
        for rule, text, items in session.connection().execute(statement)
    ]


def _described(session: Session, project_id: int, config: ProjectConfig) -> list[_Count]:
    described = {rule.name for rule in config.rules if rule.description is not None}
    statement = (
        select(col(Assignment.item), col(Assignment.reason), col(Label.value))
        .join(Label, col(Label.item) == col(Assignment.item))
        .where(col(Assignment.project_id) == project_id)
    )
    # By rule and item: an item may have been chosen more than once.
    found = {
        (rule, item): label
        for item, reason, label in session.connection().execute(statement)
        for rule in described.intersection(reason["rules"])
    }
    return [(rule, label, 1) for (rule, _), label in found.items()]
