"""What to do next, in sentences, the most pressing first. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Mapping
from typing import Any

from workers.reporting.history import History
from workers.reporting.measured import measure
from workers.reporting.rules import stopped_rules
from workers.reporting.sentences import counted, listed, share

_GOALS_TOLD = 3
# An average error of the probabilities from which on they should not be filtered by.
_FAR_OFF = 0.05


def advice(history: History) -> list[str]:
    """What a person can do about how the project stands; empty where nothing is to be done yet."""
    status = history.status
    if not status["items"]["total"]:
        return [f"Bring in items: quietcorner ingest {status['project']} FILE."]
    metrics = history.models[-1].metrics if history.models else {}
    return [
        *_queue(status),
        *_goals(history, metrics),
        *_audit(history, metrics),
        *_probabilities(metrics),
        *_rules(status),
    ]


def _queue(status: Mapping[str, Any]) -> list[str]:
    queue = status["queue"]
    if waiting := queue["waiting"] + queue["leased"]:
        return [f"Have the {counted(waiting, 'item')} on the annotation queue labeled."]
    return [f"Nothing waits on the annotation queue: quietcorner batch next {status['project']} chooses more."]


def _goals(history: History, metrics: Mapping[str, Any]) -> list[str]:
    """For a recall that is not reached: what it would cost on today's curve."""
    status = history.status
    missed = [
        (name, goal["wanted"]["recall"])
        for name, goal in status["goals"].items()
        if goal["met"] is False and _below(goal, "recall")
    ]
    told = []
    for name, wanted in missed[:_GOALS_TOLD]:
        labels = counted(status["labels"]["by_class"].get(name, 0), "label")
        price = precision_at((metrics.get("curves") or {}).get(name), wanted)
        at = "" if price is None else f" Today a recall of {share(wanted)} comes with a precision of {share(price)}."
        sought = "" if name in history.targets else " A target lets the batches seek it."
        told.append(f"More labels of {name} may lift its recall (it has {labels}).{at}{sought}")
    return told


def precision_at(curve: Mapping[str, Any] | None, recall: float) -> float | None:
    """The best precision on a curve with at least this recall."""
    if not curve:
        return None
    reached = [p for r, p in zip(curve["recall"], curve["precision"], strict=True) if r >= recall]
    return max(reached, default=None)


def _below(goal: Mapping[str, Any], rate: str) -> bool:
    wanted, found = goal["wanted"][rate], measure(goal[rate])
    return wanted is not None and found is not None and found.value < wanted


def _audit(history: History, metrics: Mapping[str, Any]) -> list[str]:
    """Classes of which nothing is known yet, and what the batches do about it."""
    few = [name for name in history.status["classes"] if name in (metrics.get("too_few") or ())]
    if not few:
        return []
    brought = [batch.channels.get("audit", 0) for batch in history.batches]
    last = f"; the last one brought {counted(brought[-1], 'audit item')}" if brought else ""
    classes = f"The quality of {listed(few)}" if len(few) < 4 else f"The quality of {len(few):,} classes"
    return [
        f"{classes} can be told once there are 5 audit items of each. Every batch draws some{last}, and more with a "
        "larger selection.audit_share."
    ]


def _probabilities(metrics: Mapping[str, Any]) -> list[str]:
    found = measure((metrics.get("reliability") or {}).get("ece"))
    if found is None or (found.low or 0.0) < _FAR_OFF:
        return []
    return [f"Its probabilities are off by {share(found.value)} on average: don't filter by them yet."]


def _rules(status: Mapping[str, Any]) -> list[str]:
    stopped = stopped_rules(status["rules"])
    if not stopped:
        return []
    rules, mend = counted(len(stopped), "seeding rule"), f"quietcorner project update {status['project']}"
    return [f"{rules} found less than chance and got no more places: {listed(stopped)}. Mend or drop them: {mend}."]
