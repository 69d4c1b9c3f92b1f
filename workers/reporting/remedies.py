"""What an imbalance calls for, in words. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workers.reporting.sentences import counted, listed, share
from workers.training.imbalance import ClassFigures, Imbalance, SourceFigures
from workers.training.remedies import FEW_LABELS, RARE_SHARE, Condition, Finding, pool_share
from workers.training.weighting import Weighting


@dataclass(frozen=True)
class InForce:
    """What a project already does about its imbalance; all empty for a file that belongs to none.

    Attributes:
        targets: labels wanted by class.
        seeded: for each class that has seeding rules, whether they hit any item.
        capped: classes with a cap.
        capped_sources: sources with a cap.
        quotas: wanted shares of a batch by source.
        weighting: by which classes are weighed in training.
    """

    targets: Mapping[str, int] = field(default_factory=dict)
    seeded: Mapping[str, bool] = field(default_factory=dict)
    capped: frozenset[str] = frozenset()
    capped_sources: frozenset[str] = frozenset()
    quotas: Mapping[str, float] = field(default_factory=dict)
    weighting: Weighting = "balanced"


@dataclass(frozen=True)
class Remedy:
    """What to do about one condition.

    Attributes:
        condition: What holds.
        names: All classes or sources for which it holds; none when it is the project as a whole.
        told: Condition, names (the first few) with their figures, and what to do.
    """

    condition: Condition
    names: list[str]
    told: str


def remedies(findings: Sequence[Finding], imbalance: Imbalance, in_force: InForce) -> list[Remedy]:
    """What findings call for; those with the same words stand together."""
    together: dict[tuple[Condition, str, str], list[tuple[str, str]]] = {}
    for finding in findings:
        part = _part(finding, imbalance, in_force)
        group = together.setdefault((finding.condition, part.opening, part.advice), [])
        if finding.about is not None:
            group.append((finding.about.name, f"{finding.about.name} ({part.figures})"))
    return [
        Remedy(condition, [name for name, _ in names], _told(opening, [shown for _, shown in names], advice))
        for (condition, opening, advice), names in together.items()
    ]


@dataclass(frozen=True)
class _Part:
    """The words for one finding: what holds, the figures of the class or source, what to do."""

    opening: str
    figures: str
    advice: str


def _told(opening: str, names: list[str], advice: str) -> str:
    return f"{opening}: {listed(names)}. {advice}" if names else f"{opening}. {advice}"


def _part(finding: Finding, imbalance: Imbalance, in_force: InForce) -> _Part:
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
            return _Part(
                "No audit item is labeled yet, so nobody knows how rare the classes are in the pool",
                "",
                "Each batch brings some, drawn at random: label them.",
            )


def _no_label(one: ClassFigures, in_force: InForce) -> _Part:
    match in_force.seeded.get(one.name):
        case None:
            opening = "No label and no seeding rule"
            advice = (
                "Give each a rule (keywords, a pattern or a description; [[rules]] in the project file), or submit a "
                "few items that are known."
            )
        case False:
            opening, advice = "No label, and seeding rules that hit no item", "Widen the rules."
        case True:
            opening, advice = "No label yet", "The channel rule brings what their seeding rules hit."
    return _Part(opening, _bound(one), advice)


def _bound(one: ClassFigures) -> str:
    """How frequent a class without a label may be."""
    if one.prevalence is None:
        return "share of the pool unknown"
    return f"{share(one.prevalence.high)} of the pool at most"


def _few_labels(one: ClassFigures, in_force: InForce) -> _Part:
    target = in_force.targets.get(one.name, FEW_LABELS)
    figures = f"{one.labels:,}" if target >= FEW_LABELS else f"{one.labels:,} of {target:,}"
    opening = f"Under {FEW_LABELS} labels, or under a lower target"
    if in_force.seeded.get(one.name):
        return _Part(opening, figures, "Seeding rules, coverage and random draws seek them.")
    return _Part(
        opening,
        figures,
        "Coverage and random draws seek them; seeding rules, of which they have none, find them sooner.",
    )


def _rare(one: ClassFigures, imbalance: Imbalance, in_force: InForce) -> _Part:
    value, estimated = pool_share(one, imbalance)
    opening = f"Under {100 * RARE_SHARE:g} % of the {'pool' if estimated else 'labels'}"
    weight = "" if one.weight is None else f"; class weight {one.weight:.3g}"
    weighed = "Training weighs errors on them by their class weights."
    wanted = in_force.targets.get(one.name)
    if wanted is None:
        advice = f"Give them targets, so that the channels likely and anchor seek them until these are met. {weighed}"
    elif one.labels < wanted:
        advice = f"The channels likely and anchor seek them until their targets are met. {weighed}"
    else:
        advice = f"Their targets are met; raise these to let the channels likely and anchor go on. {weighed}"
    return _Part(opening, f"{_estimate(one, value, estimated=estimated)}{weight}", advice)


def _estimate(one: ClassFigures, value: float | None, *, estimated: bool) -> str:
    if not estimated or one.prevalence is None or one.prevalence.low == one.prevalence.high:
        return share(value or 0.0)
    return f"{share(one.prevalence.value)}, 95 % interval {share(one.prevalence.low)} to {share(one.prevalence.high)}"


def _beyond_need(one: ClassFigures, in_force: InForce) -> _Part:
    wanted = in_force.targets.get(one.name)
    figures = counted(one.labels, "label") + ("" if wanted is None else f", target {wanted:,}")
    opening = "Far beyond need, over " + (
        "five times the median of the other classes" if wanted is None else "twice the target"
    )
    if one.name in in_force.capped:
        return _Part(opening, figures, "Lower the caps that they have (caps.classes), to leave room for other classes.")
    return _Part(opening, figures, "Cap them (caps.classes), to leave room for other classes.")


def _neglected(source: SourceFigures, in_force: InForce) -> _Part:
    figures = f"{share(source.share)} of the items, {share(source.label_share or 0.0)} of the labels"
    opening = "Under half of the labels that their share of the items would bring"
    quota = in_force.quotas.get(source.name)
    if source.name in in_force.capped_sources:
        return _Part(
            opening, figures, "Raise their caps (caps.sources), unless these are meant to keep them from labels."
        )
    if quota is None:
        return _Part(opening, figures, "Give them quotas of about their share (quotas.sources).")
    if quota < source.share:
        return _Part(opening, f"{figures}, quota {share(quota)}", "Raise their quotas to their share at least.")
    return _Part(opening, f"{figures}, quota {share(quota)}", "Their quotas even that out with the next batches.")
