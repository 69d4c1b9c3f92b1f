"""The report's sections on how the project went from round to round: quality, labels, batches."""

from collections.abc import Sequence

from workers.reporting import plots
from workers.reporting.growth import UNASKED, by_channel, by_round, cumulative
from workers.reporting.history import History, MeasuredModel
from workers.reporting.markup import Cell, Column, bullets, chips, figure, folded, paragraph, section, table
from workers.reporting.measured import Measure, measure, rarest_first, read_quality
from workers.reporting.plain import clock
from workers.reporting.plots import Course
from workers.reporting.sentences import counted
from workers.selection.reasons import CHANNELS

_BATCHES_SHOWN = 50
_ROUNDS_PLOTTED = 60


def learning(history: History) -> str:
    """Macro-F1 and macro PR-AUC by labeled items."""
    measured = [model for model in history.models if measure(model.metrics["macro_f1"])]
    if not measured:
        return ""
    courses = [
        course
        for course in (_course(measured, "macro-F1", "macro_f1"), _course(measured, "macro PR-AUC", "macro_pr_auc"))
        if course.labels
    ]
    names = " and ".join(course.name for course in courses)
    caption = (
        f"{names} of {counted(len(measured), 'model version')} with 95 % intervals. Measured on the audit sample, "
        f"which chance alone draws; {counted(measured[-1].metrics['n'], 'audit item')} stand behind the last version."
    )
    columns = [
        *(Column(heading, number=True) for heading in ("version", "labels", "audit items", "macro-F1", "macro PR-AUC")),
        Column("trained (UTC)"),
    ]
    rows = [
        (
            str(model.version),
            f"{model.labels:,}",
            f"{model.metrics['n']:,}",
            _told(measure(model.metrics["macro_f1"])),
            _told(measure(model.metrics.get("macro_pr_auc"))),
            clock(model.trained_at),
        )
        for model in reversed(measured)
    ]
    plot = figure(plots.learning_curve(courses), caption)
    return section("Learning curve", plot, folded("All versions", table(columns, rows)))


def _course(models: Sequence[MeasuredModel], name: str, key: str) -> Course:
    known = [(model.labels, found) for model in models if (found := measure(model.metrics.get(key)))]
    return Course(name, [labels for labels, _ in known], [found for _, found in known])


def _told(found: Measure | None) -> str:
    if found is None:
        return ""
    within = f" ({found.interval[0]:.3f} to {found.interval[1]:.3f})" if found.interval else ""
    return f"{found.value:.3f}{within}"


def labels_over_rounds(history: History) -> str:
    """How the labels of the rarest classes came, and through which channels."""
    if not history.growth:
        return ""
    status = history.status
    quality = read_quality(history.models[-1].metrics) if history.models else None
    labels = status["labels"]["by_class"]
    ranked = rarest_first(labels, labels, quality)
    rarest = ranked[: plots.MOST_LINES]
    rounds, counts = cumulative(history.growth, rarest)
    which = f"The {len(rarest)} rarest classes" if len(ranked) > len(rarest) else "All classes"
    content = []
    if len(rounds) > 1:
        told = f"Labeled items, added up over the rounds that asked for them. {which}."
        content.append(figure(plots.labels_by_round(rounds, counts), told + _what_zero_is(rounds)))
    of_rounds = by_round(history.growth)
    channels = _in_order({channel for found in of_rounds.values() for channel in found})
    newest = dict(list(of_rounds.items())[-_ROUNDS_PLOTTED:])
    left = len(of_rounds) - len(newest)
    told = "Labeled items by the round and the channel that asked for them."
    told += f" {counted(left, 'earlier round')} not shown." if left else ""
    content.append(figure(plots.channels_by_round(newest, channels), told + _what_zero_is(list(newest))))
    content.append(folded("Labels by class and channel", _by_channel(history, ranked, channels)))
    return section("Labels by round", *content)


def _what_zero_is(rounds: Sequence[int]) -> str:
    return " Round 0: labels that came before the first." if 0 in rounds else ""


def _in_order(channels: set[str]) -> list[str]:
    return [channel for channel in (*CHANNELS, UNASKED) if channel in channels]


def _by_channel(history: History, ranked: Sequence[str], channels: Sequence[str]) -> str:
    counts = by_channel(history.growth)
    columns = [Column("class"), *(Column(channel, number=True) for channel in channels)]
    rows = [
        [name, *(f"{counts[name][channel]:,}" if counts[name][channel] else "" for channel in channels)]
        for name in ranked
        if name in counts
    ]
    return table(columns, rows)


def batches(history: History) -> str:
    """The newest batches: what they held, and what became of it."""
    if not history.batches:
        return section("Batches", paragraph("No batch has been chosen yet.", kind="soft"))
    columns = [
        Column("round", number=True),
        Column("chosen (UTC)"),
        Column("model", number=True),
        Column("items", number=True),
        Column("channels", wide=True),
        Column("answered", number=True),
        Column("seconds", number=True),
        Column("shortfalls", wide=True),
    ]
    rows: list[Sequence[Cell]] = [
        (
            str(batch.round),
            clock(batch.selected_at),
            "" if batch.model is None else str(batch.model),
            f"{batch.chosen:,} of {batch.wanted:,}",
            chips((f"{channel} {items:,}", "") for channel, items in batch.channels.items()),
            f"{batch.done:,} of {batch.assignments:,}",
            f"{batch.train_s + batch.select_s:.2f}",
            "; ".join(batch.shortfalls),
        )
        for batch in history.batches[: -_BATCHES_SHOWN - 1 : -1]
    ]
    left = len(history.batches) - len(rows)
    note = [paragraph(f"{counted(left, 'earlier batch', 'earlier batches')} not shown.", kind="soft")] if left else []
    return section("Batches", table(columns, rows), *note, _legend(history))


def _legend(history: History) -> str:
    """What the channels that occur look for."""
    seen = {channel for batch in history.batches for channel in batch.channels}
    told = [f"{channel}: {what}" for channel, what in CHANNELS.items() if channel in seen]
    return folded("What the channels look for", bullets(told)) if told else ""
