"""What a look at labels calls for: alarms with a sentence each, and when they are over. Pure."""

from dataclasses import dataclass
from typing import Any

from shared.alarm_channels import LABELS, PERFORMANCE
from workers.drift import performance
from workers.drift.annotators import SOURCE, Difference
from workers.drift.label_watch import Look
from workers.drift.levels import Level
from workers.drift.performance import CALIBRATION, ERROR, PRECISION, RECALL, Finding

_FIGURES = {
    ERROR: "share of wrong decisions",
    CALIBRATION: "calibration error",
    RECALL: "recall",
    PRECISION: "precision",
}


@dataclass(frozen=True)
class Notice:
    """One alarm, as it is written down.

    Attributes:
        channel: `performance` or `labels`.
        scope: the loss, or whose labels; of these the class that is surest to have moved is told of.
        level: `act` for the model's performance, the strongest alarm there is; `warn` for labels.
        share: by how much the figure moved.
        why: one sentence.
        details: JSON-ready.
    """

    channel: str
    scope: str
    level: Level
    share: float
    why: str
    details: dict[str, Any]


def notices(look: Look) -> list[Notice]:
    """The alarms of a look, those of the model's performance first."""
    found = [_of_performance(finding) for finding in look.performance if finding.alarm]
    plainest = {_scope(one): _of_labels(one) for one in sorted(look.moved, key=lambda one: (-one.p, one.share))}
    return [*found, *plainest.values()]


def ended(look: Look, *, channel: str, scope: str, share: float) -> str | None:
    """Why a live alarm is over by what a look found; None where it is not, or nothing is known of it."""
    if channel == PERFORMANCE:
        for finding in look.performance:
            if performance.key((finding.kind, finding.label)) == scope and not finding.alarm and finding.now:
                return f"the {_figure(finding)} is {finding.now.value:.2f} on fresh audit labels, within its limit"
        known = {performance.key((finding.kind, finding.label)) for finding in look.performance}
        return None if scope in known or look.fresh else "the levels of the reference were set anew"
    own = [abs(one.share - one.expected) for one in look.differences if _scope(one) == scope]
    if not own and look.differences:  # such as of an annotator whose items no chance had queued
        return "it has too few answers to be compared"
    return "every class is less than half as far from what is expected" if own and max(own) < share / 2 else None


def sentence(finding: Finding) -> str:
    """What one figure was and is."""
    if finding.now is None:
        return f"{_figure(finding)} was {finding.reference:.2f} at the reference"
    now = finding.now
    return (
        f"{_figure(finding)} is {now.value:.2f} ({now.low:.2f} to {now.high:.2f}) on {finding.items} fresh audit "
        f"labels, and was {finding.reference:.2f} at the reference"
    )


def told(one: Difference) -> str:
    """What moved for whom."""
    beside = "at the reference" if one.kind == SOURCE else "in the answers of all others"
    return (
        f"{one.kind} {one.name}: {one.label} is {100 * one.share:.1f} % of {one.answers} audit answers, where it is "
        f"{100 * one.expected:.1f} % {beside}"
    )


def _figure(finding: Finding) -> str:
    name = _FIGURES[finding.kind]
    return name if finding.label is None else f"{name} of {finding.label}"


def _of_performance(finding: Finding) -> Notice:
    moved = abs(finding.now.value - finding.reference) if finding.now else 0.0
    scope = performance.key((finding.kind, finding.label))
    return Notice(PERFORMANCE, scope, Level.ACT, moved, sentence(finding), finding.as_json())


def _of_labels(one: Difference) -> Notice:
    return Notice(LABELS, _scope(one), Level.WARN, abs(one.share - one.expected), told(one), one.as_json())


def _scope(one: Difference) -> str:
    return f"{one.kind}:{one.name}"
