"""What the figures say, in sentences. Pure: plain text, to be escaped by whoever shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.lanes import MOST_ATTEMPTS
from workers.reporting.history import History, MeasuredModel

_NAMES_SHOWN = 8


def headline(history: History) -> list[str]:
    """How the project stands, the most wanted first."""
    status = history.status
    return [
        _pool(status),
        *_quality(status, history.models),
        *_rarest(status, history.models),
        *_targets(status["labels"]["by_class"], history.targets),
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
    return told or ["Nothing beyond chance."]


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
        return ["There is no model yet: it needs labels of two classes."]
    if not models:
        return [f"Model version {newest} has not been measured yet."]
    model = models[-1]
    macro, items = model.metrics["macro_f1"], counted(model.metrics["n"], "item")
    which = f"Model version {model.version}, trained on {counted(model.labels, 'labeled item')},"
    if macro is None:
        told = f"{which} can't be measured yet: the audit sample has {items} with a label."
    else:
        told = (
            f"{which} reaches a macro-F1 of {macro['value']:.2f} (95 % interval {macro['low']:.2f} to "
            f"{macro['high']:.2f}), measured on {items} drawn at random, each judged by a model that had not seen it."
        )
    later = [] if model.version == newest else [f"Version {newest} is newer and not measured yet."]
    return [told, *later]


def _rarest(status: Mapping[str, Any], models: Sequence[MeasuredModel]) -> list[str]:
    """Recall of the class that is rarest in the audit sample, and the classes of which it has too few items."""
    if not models or not models[-1].metrics["per_class"]:
        return []
    metrics = models[-1].metrics
    known = {name: found for name, found in metrics["per_class"].items() if name not in metrics["too_few"]}
    told = []
    if known:
        name = min(known, key=lambda one: known[one]["support"])
        found = known[name]
        interval = (
            f" (95 % interval {share(found['recall_low'])} to {share(found['recall_high'])})"
            if "recall_low" in found
            else ""
        )
        told.append(
            f"Of the class {name}, the rarest that can be measured, it finds {share(found['recall'])}{interval}; "
            f"{share(found['precision'])} of what it calls {name} is."
        )
    if few := [name for name in status["classes"] if name in metrics["too_few"]]:
        told.append(f"Too few audit items to say anything about {listed(few)}.")
    return told


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
        if lane["requested"] > lane["completed"] and lane["attempts"] >= MOST_ATTEMPTS
    ]
    told = (
        [f"Set aside after {MOST_ATTEMPTS} failed attempts: {listed(stuck)}. See quietcorner status."] if stuck else []
    )
    if status["dead_letters"]:
        told.append(f"{counted(status['dead_letters'], 'message')} could not be taken; see the dead letters below.")
    return told


def _by_source(counts: Mapping[str, int]) -> str:
    return listed([f"{source} ({count:,})" for source, count in counts.items()])
