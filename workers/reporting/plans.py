"""A labeling plan in sentences: what it rests on, what each wave measures, what would change the next one. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from workers.reporting.sentences import counted, listed, share
from workers.selection.doubts import GUESS_FACTOR
from workers.selection.knowledge import Basis
from workers.selection.plans import QUOTA_SHARE, KnownShare, LabelingPlan, WavePlan
from workers.selection.proportions import ENOUGH_AUDIT_ITEMS, wilson
from workers.selection.rule_precision import RulePrecision
from workers.training.goals import FEW
from workers.training.metrics import Interval
from workers.training.remedies import FEW_LABELS

_RULES_TOLD = 8


@dataclass(frozen=True)
class WaveNotes:
    """What is to be said of one wave."""

    assumed: list[str]
    measured_after: list[str]
    would_change_the_next: list[str]


def wave_notes(plan: LabelingPlan, wave: WavePlan) -> WaveNotes:
    """What a wave rests on and leads to."""
    return WaveNotes(
        assumed=list(_assumed(plan, wave)),
        measured_after=list(_measured(plan, wave)),
        would_change_the_next=list(_changes(plan, wave)),
    )


def changes_at_any_time(plan: LabelingPlan, targets: Mapping[str, int]) -> list[str]:
    """What would change the wave after any.

    Args:
        plan: The plan.
        targets: Labels wanted by class, where the project says so.
    """
    return list(_changes_at_any_time(plan, targets))


def opening(plan: LabelingPlan) -> str:
    """Pool, budget and waves."""
    places = listed([f"{wave.places:,}" for wave in plan.waves])
    waves = f"one wave of {places}" if len(plan.waves) == 1 else f"waves of {places}"
    reserve = f", {plan.reserve:,} in reserve" if plan.reserve else ""
    labeled = f"{plan.labels:,} of them labeled" if plan.labels else "none labeled"
    waiting = f"; {plan.waiting:,} wait on the queue and are not counted here" if plan.waiting else ""
    return (
        f"{counted(plan.items, 'item')}, {labeled}{waiting}. A budget of {counted(plan.budget, 'label')}: "
        f"{waves}{reserve}."
    )


def what_is_known(plan: LabelingPlan) -> list[str]:
    """The share of each class in the pool, and where it is known from."""
    by_basis = {basis: [one for one in plan.classes if one.basis is basis] for basis in Basis}
    told = {
        Basis.AUDIT: f"By {counted(plan.audit_items, 'labeled audit item')}",
        Basis.MODEL: f"By the model's calibrated probabilities, until {ENOUGH_AUDIT_ITEMS} audit items are labeled",
        Basis.GUESS: f"By your guess, taken to be right within a factor of {GUESS_FACTOR:g}",
    }
    lines = [
        f"{words}: {listed([_share_of(one) for one in _rarest_first(by_basis[basis])])}."
        for basis, words in told.items()
        if by_basis[basis]
    ]
    if weighed := [one for one in plan.classes if one.guess is not None and one.basis is not Basis.GUESS]:
        guesses = listed([f"{one.name} {share(one.guess or 0.0)}" for one in weighed])
        lines.append(f"Your guess is weighed against what the labels tell: {guesses}.")
    if unknown := by_basis[Basis.NOTHING]:
        lines.append(
            f"Nothing is known of {listed([one.name for one in unknown])}: no label, and no guess "
            "(--prior CLASS=SHARE). Any number of the items may be of such a class."
        )
    return lines


def quotas_explained(plan: LabelingPlan) -> list[str]:
    """Where the quotas come from, and how they are put in force."""
    if not plan.proposed:
        return ["The quotas are those of the project."]
    if len(plan.sources) < 2:
        return ["All items are from one source, so no quota is wanted."]
    if plan.measured_by_source:
        how = (
            "by the square root of its items, and of (1 - p) / p, where p is the share of "
            f"{listed(plan.rare)} in it by the audit sample: small sources and those where such items are scarce are "
            "seen, too"
        )
    else:
        how = "by the square root of its items, so that small ones are seen, too; what is scarce where is not known yet"
    return [
        f"Proposed: {share(QUOTA_SHARE)} of a wave is kept for sources, the rest is free for what promises most. A "
        f"source gets places {how} (power allocation with power 1/2: Bankier 1988).",
        f"To have it so, write [quotas.sources] {_as_toml(plan)} into the project file and give it to "
        "`quietcorner project update`; the plan counts on them.",
    ]


def batches_explained(plan: LabelingPlan) -> list[str]:
    """What it means that a wave is one batch."""
    if all(wave.places == plan.batch_size for wave in plan.waves):
        return []
    return [
        f"A wave is one batch here. The project's batches hold {counted(plan.batch_size, 'item')}: with smaller ones "
        "the model learns in between and a wave may find more; for waves as planned, set batch_size in [selection] to "
        "them with `quietcorner project update`."
    ]


def _assumed(plan: LabelingPlan, wave: WavePlan) -> Iterator[str]:
    if wave.number == 1:
        yield f"It is what round {wave.round} would choose now" + (", with these quotas." if plan.proposed else ".")
        return
    yield (
        "Its places rest on made-up labels for the waves before it, drawn from what is known today: plan it anew once "
        "those are labeled."
    )
    if plan.modelled:
        yield "The model stays about as good as it is, and rules and channels bring what they bring today."
    else:
        yield (
            "There is no model yet: what its channels will find is anything from nothing to all that is left of a "
            "class."
        )


def _measured(plan: LabelingPlan, wave: WavePlan) -> Iterator[str]:
    yield _audit_measures(plan, wave)
    rules = [rule for rule in plan.rules if wave.rules.get(rule.name)]
    if rules:
        precisions = [_rule_measured(rule, _labels_after(plan, wave, rule)) for rule in rules]
        yield f"Precision of rules, in percentage points: {listed(precisions)}."
    yield f"What each of its channels brought of each class: {listed(sorted(wave.channels))}."


def _audit_measures(plan: LabelingPlan, wave: WavePlan) -> str:
    items = counted(wave.audit_items, "labeled item")
    if wave.audit_items < ENOUGH_AUDIT_ITEMS:
        return (
            f"The audit sample will have {items}, too few to tell the shares of classes ({ENOUGH_AUDIT_ITEMS} are "
            "wanted): raise audit_share, or label more."
        )
    example = min((one for one in plan.classes if one.share), key=lambda one: _value(one.share), default=None)
    sure = "" if example is None else f"; {_surely(example, wave.audit_items)}"
    return (
        f"The audit sample will have {items}: the share of each class in the pool and in each source{sure}. On it the "
        f"new model's macro-F1 is measured, and recall and precision of each class with {FEW} or more of these items."
    )


def _surely(one: KnownShare, items: int) -> str:
    value = _value(one.share)
    low, high = wilson(round(value * items), items)
    return f"if {share(value)} is {one.name}, that will be known to lie between {share(low)} and {share(high)}"


def _changes(plan: LabelingPlan, wave: WavePlan) -> Iterator[str]:
    for one in wave.expected:
        if one.name in plan.rare and one.value is not None:
            fewer = f"Fewer than {one.low:,} or more" if one.low else "More"
            yield (
                f"{fewer} than {one.high:,} of {one.name}: the rates that this plan takes for granted are wrong, and "
                "later waves bring less or more."
            )
    yield from _rule_changes(plan, wave)
    yield from (f"As things stand: {line}." for line in wave.shortfalls)


def _changes_at_any_time(plan: LabelingPlan, targets: Mapping[str, int]) -> Iterator[str]:
    ruled = {rule.label for rule in plan.rules}
    for known in plan.classes:
        wanted = targets.get(known.name)
        enough = FEW_LABELS if wanted is None else min(FEW_LABELS, wanted)
        if known.name in ruled and known.labels < enough:
            yield f"{known.name} at {counted(enough, 'label')}: its rules get no more places, the model seeks it."
        if wanted is not None and known.labels < wanted:
            yield (
                f"{known.name} at its target of {counted(wanted, 'label')} ({known.labels:,} now): it is no longer "
                "looked for, and its places go to what is uncertain."
            )
    if plan.rare:
        yield (
            "A class of which nine tenths are found, of all that the audit sample allows for: it is done, and its "
            "places go elsewhere."
        )
    if plan.proposed and len(plan.sources) > 1:
        yield "Shares of rare classes that differ from source to source: the quotas move to where they are scarce."
    yield "Drift in what arrives: a campaign brings items of its own, beside this budget."


def _rule_changes(plan: LabelingPlan, wave: WavePlan) -> Iterator[str]:
    for rule in plan.rules[:_RULES_TOLD]:
        labels = _labels_after(plan, wave, rule)
        if rule.stopped:
            yield f"The rule {rule.name} has stopped; labels that speak for it bring it back."
        elif wave.rules.get(rule.name):
            stops = _stops_at(labels, rule.prior.value)
            if stops is not None:
                found = f"At most {stops:,}" if stops else "None"
                yield (
                    f"{found} of {counted(labels, 'labeled hit')} of the rule {rule.name} is of {rule.label}: it "
                    "surely finds less than chance and stops."
                )
        if wave.rules.get(rule.name) and rule.left <= _taken(plan, wave, rule):
            yield f"The rule {rule.name} has nothing left to propose; others take its places."


def _stops_at(labels: int, prior: float) -> int | None:
    """The most hits with which a rule surely finds less than a share of `prior`; None when even none is enough."""
    return max((right for right in range(labels + 1) if wilson(right, labels)[1] < prior), default=None)


def _rule_measured(rule: RulePrecision, labels: int) -> str:
    value = 0.5 if rule.precision is None else rule.precision.value
    low, high = wilson(round(value * labels), labels)
    points = max(1, round(50 * (high - low)))
    return f"{rule.name} on {counted(labels, 'label')} ({rule.labels:,} now), to within {counted(points, 'point')}"


def _labels_after(plan: LabelingPlan, wave: WavePlan, rule: RulePrecision) -> int:
    return rule.labels + _taken(plan, wave, rule)


def _taken(plan: LabelingPlan, wave: WavePlan, rule: RulePrecision) -> int:
    return sum(one.rules.get(rule.name, 0) for one in plan.waves if one.number <= wave.number)


def _rarest_first(classes: list[KnownShare]) -> list[KnownShare]:
    return sorted(classes, key=lambda one: _value(one.share))


def _value(found: Interval | None) -> float:
    return 1.0 if found is None else found.value


def _share_of(one: KnownShare) -> str:
    if one.share is None:
        return one.name
    return f"{one.name} {share(one.share.value)} ({share(one.share.low)} to {share(one.share.high)})"


def _as_toml(plan: LabelingPlan) -> str:
    return ", ".join(f'"{source.name}" = {source.quota:.3g}' for source in plan.sources)
