"""The report's sections on how good the newest measured version is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workers.reporting import curves
from workers.reporting.confusions import Confusions, confusions
from workers.reporting.curves import Bin, CostCurve, Estimate, PrecisionRecall
from workers.reporting.drawing import short
from workers.reporting.history import History
from workers.reporting.markup import (
    Cell,
    Column,
    Markup,
    bullets,
    cards,
    chips,
    figure,
    folded,
    paragraph,
    section,
    table,
    with_below,
)
from workers.reporting.measured import ClassQuality, Measure, Metrics, Quality, measure, rarest_first, read_quality
from workers.reporting.sentences import counted, goal_figures, goal_state, share

# More would make the page long and the plots thin; the tables hold all.
_CLASSES_OPEN = 30
_RECALLS_PLOTTED = 30
_PANELS = 6
_MATRIX_CLASSES = 20
_RAREST_IN_MATRIX = 12
_MATRIX_NAME = 20
_CONFUSIONS_SHOWN = 15
_PREVALENCES_PLOTTED, _MARKS_PLOTTED = 12, 40
_SOURCES_PLOTTED = 5
_SOURCES_SHOWN = 7
_POOL = "whole pool"
_TERMS = (
    "Recall: the share of the class that is found. Precision: the share of what is decided to be of the class that is.",
    "F1: their harmonic mean, low when either is. Macro: the mean over classes, each counting alike, however rare.",
    "PR-AUC: the area under precision by recall (average precision), which tells how well the class is ranked, "
    "whatever the threshold. Chance reaches the class's share of the pool.",
    "Share of pool: how frequent the class is, estimated from the audit sample.",
    "Intervals are 95 % intervals. Of a class with under 5 audit items nothing is said.",
)


def quality_now(history: History) -> str:
    """The figures of the newest measured version, and all classes, the rarest first."""
    model = history.models[-1] if history.models else None
    quality = read_quality(model.metrics) if model else None
    title = "Quality now"
    classes = _class_table(history, quality)
    if model is None or quality is None or quality.macro_f1 is None:
        return section(title, paragraph("No model has been measured yet.", kind="soft"), classes)
    told = f"Version {model.version}, measured on {counted(quality.items, 'audit item')}."
    sentences = [goal["sentence"] for goal in history.status["goals"].values() if goal["sentence"]]
    goals = ["<h3>Goals</h3>", bullets(sentences)] if sentences else []
    return section(
        title,
        paragraph(told, kind="soft"),
        cards(_cards(quality)),
        *_beside(quality, exclusive=history.status["task"] == "single"),
        classes,
        *goals,
        folded("What the figures mean", bullets(_TERMS)),
    )


def _cards(quality: Quality) -> Iterable[tuple[str, str, str]]:
    for name, found in (("macro-F1", quality.macro_f1), ("macro PR-AUC", quality.macro_pr_auc)):
        if found is not None:
            yield name, f"{found.value:.2f}", _ends(found)
    if quality.cost is not None:
        within = quality.cost.interval
        below = f"{within[0]:.3g} to {within[1]:.3g}" if within else ""
        yield "mean cost an item", f"{quality.cost.value:.3g}", below


def _ends(found: Measure | None, *, in_percent: bool = False) -> str:
    if found is None or found.interval is None:
        return ""
    low, high = found.interval
    return f"{share(low)} to {share(high)}" if in_percent else f"{low:.2f} to {high:.2f}"


def _beside(quality: Quality, *, exclusive: bool) -> list[str]:
    """Accuracy and ROC-AUC, and why they are not what to go by."""
    figures = [
        f"{name} {value:.2f}"
        for name, value in (("accuracy", quality.accuracy), ("mean ROC-AUC", quality.roc_auc))
        if value is not None
    ]
    if not figures:
        return []
    told = f"Beside these: {', '.join(figures)}. Don't go by them where classes are rare: {_why(quality, exclusive)}"
    return [paragraph(f"{told}, and ROC-AUC hardly feels a rare class drowning in wrong hits.", kind="soft")]


def _why(quality: Quality, exclusive: bool) -> str:
    """How high an accuracy a model may have that is of no use."""
    shares = sorted(found.prevalence.value for found in quality.classes.values() if found.prevalence)
    if not exclusive or not shares:
        return "nearly all of what they count are items without any rare class"
    if shares[-1] >= 0.5:
        return f"deciding always for the largest class would reach an accuracy of {shares[-1]:.2f}"
    rarer = 1 - sum(shares[: len(shares) // 2])
    return f"with the rarer half of the classes all wrong, accuracy could still be {rarer:.2f}"


def _class_table(history: History, quality: Quality | None) -> str:
    status = history.status
    labels, goals = status["labels"]["by_class"], status["goals"]
    columns = [Column("class"), Column("labels", number=True)]
    columns += [Column("target", number=True)] if history.targets else []
    columns += [
        Column(heading, number=True)
        for heading in ("audit items", "share of pool", "recall", "precision", "F1", "PR-AUC")
    ]
    columns += [Column("goal")] if goals else []
    rows: list[list[Cell]] = []
    for name in rarest_first(labels, labels, quality):
        target = f"{history.targets[name]:,}" if name in history.targets else ""
        rows.append(
            [
                _named(name, done=name in status["done"]),
                f"{labels[name]:,}",
                *([target] if history.targets else []),
                *_rates(quality.classes.get(name) if quality else None),
                *([_goal(goals.get(name))] if goals else []),
            ]
        )
    if len(rows) <= _CLASSES_OPEN:
        return table(columns, rows)
    rest = folded(f"{len(rows) - _CLASSES_OPEN:,} more frequent classes", table(columns, rows[_CLASSES_OPEN:]))
    return table(columns, rows[:_CLASSES_OPEN]) + rest


def _named(name: str, *, done: bool) -> Cell:
    return Markup(with_below(name, "").html + " " + chips([("nearly all found", "met")]).html) if done else name


def _rates(found: ClassQuality | None) -> list[Cell]:
    """Audit items, share of the pool, recall, precision, F1 and PR-AUC; too few items give no rates."""
    if found is None:
        return [""] * 6
    frequency = "" if found.prevalence is None else share(found.prevalence.value)
    counts: list[Cell] = [f"{found.support:,}", with_below(frequency, _ends(found.prevalence, in_percent=True))]
    if found.few:
        return [*counts, "too few", "", "", ""]
    rates = (found.recall, found.precision, found.f1, found.pr_auc)
    return [*counts, *("" if rate is None else with_below(f"{rate.value:.2f}", _ends(rate)) for rate in rates)]


def _goal(goal: Mapping[str, Any] | None) -> Cell:
    if goal is None:
        return ""
    kind = {"met": "met", "not met": "missed"}.get(goal_state(goal), "")
    return Markup(chips([(goal_state(goal), kind)]).html + with_below("", goal_figures(goal)).html)


def recalls_and_curves(history: History) -> str:
    """Recall by class, and precision by recall of the rarest classes."""
    if not history.models:
        return ""
    metrics, quality, ranked = _ranked(history)
    known = [
        Estimate(name, found.recall.value, *found.recall.interval, sure=not found.few)
        for name in ranked
        if (found := quality.classes.get(name)) and found.recall and found.recall.interval
    ]
    estimates, content = known[:_RECALLS_PLOTTED], []
    if estimates:
        told = (
            f"Recall with 95 % intervals, the rarest class first.{_left_out(estimates, known, ranked)} Hollow: too few"
        )
        content.append(figure(curves.recalls(estimates), f"{told} audit items."))
    if drawn := _curves(history, metrics, quality, ranked):
        told = (
            "Precision by recall, over all thresholds, of the rarest classes that can be measured. The decisions stand "
            "on a curve only roughly, since they look at all classes at once."
        )
        content.append(figure(curves.precision_recall(drawn), told))
    return section("Finding the rare classes", *content) if content else ""


def _left_out(shown: Sequence[object], known: Sequence[object], classes: Sequence[object]) -> str:
    """Which classes a plot shows, where it does not show all."""
    if len(shown) < len(known):
        return f" The {len(shown)} rarest classes with an audit item."
    return " Classes without an audit item are left out." if len(known) < len(classes) else ""


def _ranked(history: History) -> tuple[dict[str, Any], Quality, list[str]]:
    """Newest metrics, as read too, and the classes, the rarest first."""
    metrics = history.models[-1].metrics
    quality = read_quality(metrics)
    labels = history.status["labels"]["by_class"]
    return metrics, quality, rarest_first(labels, labels, quality)


def _curves(history: History, metrics: Metrics, quality: Quality, ranked: list[str]) -> list[PrecisionRecall]:
    """Of at most six classes: those with a goal, then the rarest."""
    found, goals = metrics.get("curves") or {}, history.status["goals"]
    known = [name for name in ranked if name in found and name in quality.classes and not quality.classes[name].few]
    wanted = set(sorted(known, key=lambda name: name not in goals)[:_PANELS])
    return [_curve(name, found[name], quality.classes[name], goals.get(name)) for name in known if name in wanted]


def _curve(name: str, found: Metrics, quality: ClassQuality, goal: Mapping[str, Any] | None) -> PrecisionRecall:
    recall, precision = quality.recall, quality.precision
    return PrecisionRecall(
        name=name,
        recall=found["recall"],
        precision=found["precision"],
        area=quality.pr_auc,
        decided=(recall, precision) if recall and precision else None,
        wanted=(goal["wanted"]["recall"], goal["wanted"]["precision"]) if goal else (None, None),
        prevalence=quality.prevalence.value if quality.prevalence else None,
    )


def probabilities(history: History) -> str:
    """Whether what is said with a probability is so as often."""
    found = history.models[-1].metrics.get("reliability") if history.models else None
    if not found or not found["bins"]:
        return ""
    after, before = measure(found.get("ece")), measure(found.get("ece_before"))
    told = [] if after is None else [f"ECE {_error(after)}"]
    told += [] if before is None else [f"before calibration {_error(before)}"]
    bins, earlier = ([Bin(**one) for one in found.get(name) or ()] for name in ("bins", "bins_before"))
    plot = curves.reliability(bins, "\n".join(told), before=earlier)
    of_what = "of the most probable class" if history.status["task"] == "single" else "of every class"
    caption = (
        f"Reliability of the probability {of_what} on the audit sample, with 95 % intervals; each point "
        "stands for about the same share of the pool. ECE is how far probabilities are off on average."
    )
    return section("Probabilities", figure(plot, caption))


def _error(found: Measure) -> str:
    within = f" ({found.interval[0]:.3f} to {found.interval[1]:.3f})" if found.interval else ""
    return f"{found.value:.3f}{within}"


def confused(history: History) -> str:
    """What items of each class are taken for."""
    found = confusions(history.models[-1].metrics) if history.models else None
    if found is None:
        return ""
    _, quality, ranked = _ranked(history)
    order = [name for name in ranked if name in set(found.classes)]
    few_classes = len(order) <= _MATRIX_CLASSES
    if not few_classes:
        order = [name for name in order if name in quality.classes and not quality.classes[name].few]
    arranged = found.arranged(order if few_classes else order[:_RAREST_IN_MATRIX], others="all others")
    names = [_with_support(name, quality) for name in arranged.classes]
    told = "Percent of each true class by decided class, the rarest first; in brackets: audit items."
    if not few_classes:
        told += " The rarest classes that can be measured; mistakes among the others don't show."
    matrix = figure(curves.confusion_matrix(arranged, names), f"{told} Under one percent is left blank.")
    return section("Confusions", *([] if few_classes else [_largest(found, quality)]), matrix)


def _with_support(name: str, quality: Quality) -> str:
    found = quality.classes.get(name)
    return f"{short(name, longest=_MATRIX_NAME)} ({found.support:,})" if found else name


def _largest(found: Confusions, quality: Quality) -> str:
    columns = [Column("true class"), Column("taken for")]
    columns += [Column(heading, number=True) for heading in ("of the class", "of the pool", "audit items of it")]
    rows = [
        (
            name,
            other,
            share(of_class),
            share(of_pool),
            f"{quality.classes[name].support:,}" if name in quality.classes else "",
        )
        for name, other, of_pool, of_class in found.largest(_CONFUSIONS_SHOWN)
    ]
    if not rows:
        return paragraph("No audit item is taken for another class.", kind="soft")
    told = f"The {counted(len(rows), 'confusion')} with the largest share of the pool."
    return paragraph(told, kind="soft") + table(columns, rows)


def costs(history: History) -> str:
    """What the mean cost would be if more or fewer items were decided for a class."""
    if not history.models:
        return ""
    metrics, quality, ranked = _ranked(history)
    found = metrics.get("cost_curves") or {}
    shown = [name for name in ranked if name in found and found[name]["flagged"]][:_PANELS]
    if not shown:
        return ""
    drawn = [
        CostCurve(name, found[name]["flagged"], found[name]["cost"], _flagged(quality.classes.get(name)))
        for name in shown
    ]
    left = len(found) - len(shown)
    rest = (
        f" Of {counted(left, 'more frequent class', 'more frequent classes')} the curve is not shown." if left else ""
    )
    told = (
        f"Mean cost of an item, if the likeliest items up to this share of the pool were decided for the class.{rest}"
    )
    return section("Costs", figure(curves.cost_curves(drawn), told))


def _flagged(found: ClassQuality | None) -> float | None:
    """Share of the pool that is decided for a class: its true hits over their precision."""
    if found is None or not found.prevalence or not found.recall or not found.precision or not found.precision.value:
        return None
    return found.prevalence.value * found.recall.value / found.precision.value


def frequencies(history: History) -> str:
    """Share of each class in the pool and in each source."""
    if not history.models:
        return ""
    metrics, quality, ranked = _ranked(history)
    by_source = {
        source: {name: told for name, one in found.items() if (told := measure(one))}
        for source, found in (metrics.get("prevalence_by_source") or {}).items()
    }
    whole = {name: found.prevalence for name, found in quality.classes.items() if found.prevalence}
    if not whole and not by_source:
        return ""
    items = history.status["items"]["by_source"]
    sources = sorted(by_source, key=lambda source: -items.get(source, 0))
    shares = {_POOL: whole, **{source: by_source[source] for source in sources}}
    plotted, named = list(shares)[: _SOURCES_PLOTTED + 1], list(shares)[: _SOURCES_SHOWN + 1]
    seen = [name for name in ranked if name in whole and whole[name].value > 0]
    drawn = seen[: min(_PREVALENCES_PLOTTED, _MARKS_PLOTTED // len(plotted))]
    caption = (
        "Share of the pool, and of each source, that is of a class, estimated from the audit sample with 95 % "
        "intervals; what is under 0.01 % stands at the left edge."
    )
    caption += _left_out(drawn, seen, ranked)
    caption += (
        f" The {_SOURCES_PLOTTED} largest of {len(sources):,} sources." if len(sources) > _SOURCES_PLOTTED else ""
    )
    grid = table(
        [Column("class"), *(Column(of, number=True) for of in named)],
        [[name, *(_share_cell(shares[of].get(name)) for of in named)] for name in ranked],
    )
    rows = [(name, {of: shares[of][name] for of in plotted if name in shares[of]}) for name in drawn]
    plot = [figure(curves.prevalences(rows, plotted), caption)] if rows else []
    return section("How frequent classes are", *plot, folded("All classes", grid))


def _share_cell(found: Measure | None) -> Cell:
    return "" if found is None else with_below(share(found.value), _ends(found, in_percent=True))
