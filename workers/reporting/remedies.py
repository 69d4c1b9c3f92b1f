"""What an imbalance calls for, in sentences. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from workers.reporting.sentences import counted, share
from workers.training.imbalance import ClassFigures, Imbalance, SourceFigures
from workers.training.remedies import FEW_LABELS, RARE_SHARE, Condition, Finding, pool_share


@dataclass(frozen=True)
class InForce:
    """What a project already does about its imbalance; all empty for a file that belongs to none.

    Attributes:
        targets: labels wanted by class.
        rule_hits: items that the seeding rules of a class hit, for each class that has rules.
        capped: classes with a cap.
        quotas: wanted shares of a batch by source.
    """

    targets: Mapping[str, int] = field(default_factory=dict)
    rule_hits: Mapping[str, int] = field(default_factory=dict)
    capped: frozenset[str] = frozenset()
    quotas: Mapping[str, float] = field(default_factory=dict)


def remedy(finding: Finding, imbalance: Imbalance, in_force: InForce) -> str:
    """One sentence: what was found, under which condition it counts, and what to do about it."""
    match finding.condition, finding.about:
        case Condition.NO_LABEL, ClassFigures() as one:
            return _no_label(one, in_force)
        case Condition.FEW_LABELS, ClassFigures() as one:
            return _few_labels(one, in_force)
        case Condition.RARE, ClassFigures() as one:
            return _rare(one, imbalance, in_force)
        case Condition.BEYOND_NEED, ClassFigures() as one:
            return _beyond_need(one, in_force)
        case Condition.NEGLECTED, SourceFigures() as source:
            return _neglected(source, in_force)
        case _:
            return (
                "No audit item is labeled yet, so how rare the classes are in the pool is unknown: each batch brings "
                "some audit items, drawn at random."
            )


def _no_label(one: ClassFigures, in_force: InForce) -> str:
    hits = in_force.rule_hits.get(one.name)
    if hits is None:
        return (
            f"{one.name} has no label and no seeding rule: give it one ([[rules]] in the project file), or submit a "
            f"few items that are known."
        )
    if not hits:
        return f"{one.name} has no label, and its seeding rules hit no item: widen them."
    return (
        f"{one.name} has no label: its seeding rules hit {counted(hits, 'item')}, which the channel rule puts into the "
        f"next batches."
    )


def _few_labels(one: ClassFigures, in_force: InForce) -> str:
    enough = min(FEW_LABELS, in_force.targets.get(one.name, FEW_LABELS))
    few = f"{one.name} has {counted(one.labels, 'label')}, under {enough}"
    if in_force.rule_hits.get(one.name):
        return f"{few}: its seeding rules, coverage and random draws seek it."
    return f"{few}: coverage and random draws seek it; a seeding rule would find it sooner."


def _rare(one: ClassFigures, imbalance: Imbalance, in_force: InForce) -> str:
    return f"{_how_rare(one, imbalance)}, under {100 * RARE_SHARE:g} %: {_target(one, in_force)}{_weight(one)}."


def _how_rare(one: ClassFigures, imbalance: Imbalance) -> str:
    value, estimated = pool_share(one, imbalance)
    if not estimated or one.prevalence is None:
        return f"{one.name} is {share(value or 0.0)} of the labels"
    low, high = one.prevalence.low, one.prevalence.high
    interval = "" if low == high else f" (95 % interval {share(low)} to {share(high)})"
    return f"{one.name} is {share(one.prevalence.value)} of the pool{interval}"


def _target(one: ClassFigures, in_force: InForce) -> str:
    wanted = in_force.targets.get(one.name)
    if wanted is None:
        return "give it a target (targets), so that the channels likely and anchor seek it until it is met"
    if one.labels < wanted:
        return f"the channels likely and anchor seek it until its target of {wanted:,} is met ({one.labels:,} so far)"
    return f"its target of {wanted:,} is met; raise it to let the channels likely and anchor go on"


def _weight(one: ClassFigures) -> str:
    return "" if one.weight is None else f"; in training an error on it weighs {one.weight:.3g} times (class weights)"


def _beyond_need(one: ClassFigures, in_force: InForce) -> str:
    wanted = in_force.targets.get(one.name)
    than = (
        "over five times the median of the other classes" if wanted is None else f"over twice its target of {wanted:,}"
    )
    far = f"{one.name} has {counted(one.labels, 'label')}, {than}"
    if one.name in in_force.capped:
        return f"{far}: it has a cap (caps.classes); a lower one leaves more room for the others."
    return f"{far}: a cap (caps.classes) leaves more room for the others."


def _neglected(source: SourceFigures, in_force: InForce) -> str:
    part = (
        f"{source.name} has {share(source.share)} of the items and {share(source.label_share or 0.0)} of the labels, "
        f"under half of its share"
    )
    quota = in_force.quotas.get(source.name)
    if quota is None:
        return f"{part}: a quota (quotas.sources, for example {max(0.01, round(source.share, 2)):g}) evens that out."
    if quota < source.share:
        return f"{part}: its quota of {share(quota)} is too low to even that out."
    return f"{part}: its quota of {share(quota)} evens that out with the next batches."
