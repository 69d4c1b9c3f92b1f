"""What the figures say, in sentences. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.lanes import MOST_ATTEMPTS
from workers.reporting.history import History, MeasuredModel
from workers.reporting.measured import ClassQuality, Measure, Quality, measure, over_classes, read_quality

_NAMES_SHOWN = 8
# A macro-F1 that may be anywhere within so much hardly tells one version from another.
_WIDE = 0.2
_WEAKEST_SHOWN = 3


def headline(history: History) -> list[str]:
    """How the project stands, the most wanted first."""
    status = history.status
    return [
        _pool(status),
        *_quality(status, history.models),
        *_change(history.models),
        *_rarest(status, history.models),
        *_weakest(history.models),
        *_goals(status["goals"]),
        *_targets(status["labels"]["by_class"], history.targets),
        *agreement(status["agreement"]),
        _queue(status["queue"]),
        *_drift(status["drift"]),
        *_troubles(status),
    ]


def share(value: float) -> str:
    """A share in percent, with more digits the smaller it is."""
    if 5e-6 <= value < 5e-4:
        return f"{100 * value:.1g} %"
    return f"{100 * value:.1f} %" if 0 < value < 0.1 else f"{100 * value:.0f} %"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 item", "2 items"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """Names in a row; beyond some, only how many more."""
    shown = [*names[:_NAMES_SHOWN], *([f"{len(names) - _NAMES_SHOWN:,} more"] if len(names) > _NAMES_SHOWN else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def figure(found: Measure, *, digits: int = 2) -> str:
    """A figure with its interval: "0.70 (0.60 to 0.80)"."""
    if found.interval is None:
        return f"{found.value:.{digits}f}"
    low, high = found.interval
    return f"{found.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def agreement(found: Mapping[str, Any]) -> list[str]:
    """How far annotators agree; nothing where no two answered the same item."""
    if not found["pairs"]:
        return []
    items, pairs = counted(found["items"], "item"), counted(found["pairs"], "pair")
    return [f"Annotators agree in {share(found['share'])} of {pairs} of answers, on {items} that several answered."]


def goal_state(goal: Mapping[str, Any]) -> str:
    """Whether a goal of the status is met, in two or three words."""
    return {True: "met", False: "not met", None: "not known yet"}[goal["met"]]


def goal_figures(goal: Mapping[str, Any]) -> str:
    """What a goal of the status wants and what is reached, once that is known: "recall 0.62 of 0.90"."""
    parts = []
    for rate, wanted in goal["wanted"].items():
        if wanted is not None:
            found = None if goal["met"] is None else measure(goal[rate])
            parts.append(f"{rate} {'?' if found is None else f'{found.value:.2f}'} of {wanted:.2f}")
    return ", ".join(parts)


_OTHER_TESTS = {
    "embedding": "Taken as a whole, the texts are spread otherwise than in the reference, at least",
    "duplicates": "More items repeat earlier ones than before",
    "predicted": "The current model decides otherwise than on the reference",
    "confidence": "The current model is sure of other shares than on the reference",
}


def window_findings(findings: Mapping[str, Any]) -> list[str]:
    """What one window of the drift watch showed; `findings` as `workers.drift.report` writes them."""
    told = []
    if findings.get("drifted"):
        told.append(
            f"{counted(findings['drifted'], 'item')} unlike the reference, {share(findings.get('share', 0.0))} of the "
            f"window more than expected; from {_by_source(findings.get('drifted_sources', {}))}."
        )
    moved = findings.get("tests", {}).get("mix", {})
    if moved.get("alarm"):
        changed = sorted(findings.get("sources", []), key=lambda source: -abs(source["window"] - source["reference"]))
        told.append(
            "The mix of sources changed: "
            + "; ".join(f"{s['source']} from {share(s['reference'])} to {share(s['window'])}" for s in changed[:3])
            + "."
        )
    told.extend(_other_findings(findings.get("tests", {}), (findings.get("predicted") or {}).get("rare_moved", {})))
    gathered = [_gathered(found) for found in findings.get("gathered", [])]
    return [*(told or ["By itself nothing beyond chance." if gathered else "Nothing beyond chance."]), *gathered]


def _gathered(found: Mapping[str, Any]) -> str:
    """On evidence that no window shows alone."""
    name = f"{found['channel']}: {found['scope']}" if found["scope"] else found["channel"]
    return (
        f"Beyond chance together with the windows before it: {name} ({listed(found['in'])}), "
        f"{share(found['share'])} of the items."
    )


def _other_findings(tests: Mapping[str, Any], rare_moved: Mapping[str, float]) -> Iterator[str]:
    """On what drifted beside the items themselves and their sources."""
    for name, found in tests.items():
        if found.get("alarm") and name in _OTHER_TESTS:
            yield f"{_OTHER_TESTS[name]}: {share(found['share'])} of the window."
        elif found.get("alarm") and name.startswith("text: "):
            yield f"The texts' {name.removeprefix('text: ')} changed: {share(found['share'])} of the window."
        elif found.get("alarm") and name.startswith("rare: "):
            rare = name.removeprefix("rare: ")
            moved = rare_moved.get(rare)  # None in reports of earlier versions
            which = "another" if moved is None else "a larger" if moved > 0 else "a smaller"
            yield (
                f"To the current model {rare} takes {which} share than before, by about "
                f"{share(found['share'])} of the window or more."
            )


def cell_finding(cell: Mapping[str, Any]) -> str:
    """One group of alike items that a window has too many of."""
    kind = "new items" if cell.get("novel") else "items"
    seen, expected = f"{cell['seen']:,} {kind} of one kind", f"{cell['expected']:.1f} were expected"
    return f"{seen} where {expected}; from {_by_source(cell.get('sources', {}))}. One of them:"


def _pool(status: Mapping[str, Any]) -> str:
    items, labels = status["items"], status["labels"]
    if not items["total"]:
        return "The pool holds no items yet."
    sources = counted(len(items["by_source"]), "source")
    return (
        f"The pool holds {counted(items['total'], 'item')} from {sources}; {labels['total']:,} of them are labeled "
        f"({share(labels['total'] / items['total'])}), from {counted(labels['submissions'], 'submission')}."
    )


def _quality(status: Mapping[str, Any], models: Sequence[MeasuredModel]) -> list[str]:
    newest = status["model"]["version"]
    if newest is None:
        return ["There is no model yet: the first round with labels of two classes trains one."]
    if not models:
        return [f"Model version {newest} has not been measured yet."]
    model = models[-1]
    quality = read_quality(model.metrics)
    items = counted(quality.items, "item")
    which = f"Model version {model.version}, trained on {counted(model.labels, 'labeled item')},"
    if quality.macro_f1 is None:
        told = [f"{which} can't be measured yet: the audit sample has {items} with a label."]
    else:
        told = [_measured(which, quality, quality.macro_f1, f"{items} drawn at random{over_classes(model.metrics)}")]
    later = [] if model.version == newest else [f"Version {newest} is newer and not measured yet."]
    return [*told, *later]


def _measured(which: str, quality: Quality, macro: Measure, items: str) -> str:
    within = f" (95 % interval {macro.low:.2f} to {macro.high:.2f})" if macro.interval else ""
    told = (
        f"{which} reaches a macro-F1 of {macro.value:.2f}{within}, measured on {items}, each judged by a model "
        "that had not seen it."
    )
    if quality.macro_pr_auc is not None:
        told += f" Its macro PR-AUC is {figure(quality.macro_pr_auc)}."
    if macro.interval and macro.interval[1] - macro.interval[0] > _WIDE:
        told += " So wide an interval says little yet; four times as many audit items would halve it."
    return told


def _change(models: Sequence[MeasuredModel]) -> list[str]:
    """Macro-F1 beside that of the newest version with at most half the labels."""
    if not models or (now := measure(models[-1].metrics["macro_f1"])) is None:
        return []
    before = [
        (model, found)
        for model in models[:-1]
        if (found := measure(model.metrics["macro_f1"])) is not None and 2 * model.labels <= models[-1].labels
    ]
    if not before or not now.interval or not (then := before[-1][1]).interval:
        return []
    if now.interval[0] > then.interval[1]:
        verdict = "surely lower"
    elif now.interval[1] < then.interval[0]:
        verdict = "surely higher"
    else:
        verdict = "and the intervals overlap, so the difference may be chance"
    return [f"With {counted(before[-1][0].labels, 'label')} macro-F1 was {figure(then)}, {verdict}."]


def _rarest(status: Mapping[str, Any], models: Sequence[MeasuredModel]) -> list[str]:
    """Recall of the class that is rarest, and the classes of which the audit sample has too few items."""
    if not models or not models[-1].metrics["per_class"]:
        return []
    quality = read_quality(models[-1].metrics)
    told = []
    if known := [found for found in quality.sure if found.recall is not None]:
        found = min(known, key=_rarity)
        told.append(f"Of the class {found.name}, the rarest that can be measured, it finds {_finds(found)}.")
    if few := [name for name in status["classes"] if name in models[-1].metrics["too_few"]]:
        told.append(f"Too few audit items to say anything about {listed(few)}.")
    return told


def _rarity(found: ClassQuality) -> tuple[float, int]:
    """Share of the pool, or where an old version does not tell it, audit items."""
    return found.prevalence.value if found.prevalence else 0.0, found.support


def _finds(found: ClassQuality) -> str:
    recall, precision = found.recall, found.precision
    told = "" if recall is None else share(recall.value)
    if recall is not None and recall.interval:
        told += f" (95 % interval {share(recall.interval[0])} to {share(recall.interval[1])})"
    if precision is not None:
        told += f"; {share(precision.value)} of what it calls {found.name} is"
    return told


def _weakest(models: Sequence[MeasuredModel]) -> list[str]:
    """The classes with the lowest F1; a few of many."""
    known = [(found, found.f1) for found in read_quality(models[-1].metrics).sure if found.f1] if models else []
    if len(known) < 2:
        return []
    ranked = sorted(known, key=lambda one: (one[1].value, one[0].name))[: min(_WEAKEST_SHOWN, len(known) // 2)]
    return [f"Weakest by F1: {listed([f'{found.name} ({figure(f1)})' for found, f1 in ranked])}."]


def _goals(goals: Mapping[str, Any]) -> list[str]:
    if not goals:
        return []
    told = f"{sum(goal['met'] is True for goal in goals.values())} of {counted(len(goals), 'goal')} met"
    for state, opening in ((False, "not met"), (None, "not known yet")):
        named = [f"{name} ({goal_figures(goal)})" for name, goal in goals.items() if goal["met"] is state]
        told += f"; {opening}: {listed(named)}" if named else ""
    return [f"{told}."]


def _targets(labels: Mapping[str, int], targets: Mapping[str, int]) -> list[str]:
    if not targets:
        return []
    short = [
        f"{name} ({labels.get(name, 0):,} of {wanted:,})"
        for name, wanted in targets.items()
        if labels.get(name, 0) < wanted
    ]
    met = f"{len(targets) - len(short)} of {counted(len(targets), 'class target')} met"
    return [f"{met}; still short: {listed(short)}." if short else f"{met}."]


def _queue(queue: Mapping[str, int]) -> str:
    return f"On the annotation queue: {queue['waiting']:,} waiting, {queue['leased']:,} leased, {queue['done']:,} done."


def _drift(drift: Mapping[str, Any]) -> list[str]:
    if drift["last"] is None:
        return []
    return [
        f"The last of {counted(drift['windows'], 'drift window')} is at level {drift['last']['level']}; drift opened "
        f"{counted(drift['campaigns'], 'campaign')} so far."
    ]


def _troubles(status: Mapping[str, Any]) -> list[str]:
    stuck = [
        room
        for room, lane in status["lanes"].items()
        if lane["requested"] > lane["completed"] and lane["attempts"] >= MOST_ATTEMPTS and not lane["held_by"]
    ]
    told = (
        [f"Set aside after {MOST_ATTEMPTS} failed attempts: {listed(stuck)}. See quietcorner status."] if stuck else []
    )
    if status["dead_letters"]:
        told.append(f"{counted(status['dead_letters'], 'message')} could not be taken; see the dead letters below.")
    return told


def _by_source(counts: Mapping[str, int]) -> str:
    return listed([f"{source} ({count:,})" for source, count in counts.items()])
