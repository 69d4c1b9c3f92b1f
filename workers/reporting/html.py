"""The report: one HTML page that needs nothing beside itself, no script and no network."""

from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from string import Template
from typing import Any

from shared.database import Database
from shared.project import ProjectConfig
from workers.reporting import plots
from workers.reporting.history import History, WindowLine, explained_windows, read_history
from workers.reporting.markup import (
    Cell,
    Column,
    bullets,
    chips,
    escape,
    figure,
    folded,
    paragraph,
    quote,
    section,
    table,
)
from workers.reporting.plain import clock, one_line
from workers.reporting.plots import LEVELS, Estimate
from workers.reporting.rules import rule_precision
from workers.reporting.sentences import cell_finding, counted, headline, share, window_findings
from workers.selection.reasons import CHANNELS

# More would make the page long and the plots thin; the tables hold all.
_CLASSES_PLOTTED = 30
_SOURCES_PLOTTED = 7
_BATCHES_SHOWN = 50
_TEXT_SHOWN = 400
_OTHER = "other sources"


def report_html(database: Database, project_id: int, name: str, config: ProjectConfig) -> str:
    """The report on a project as it stands now, as a whole HTML document."""
    with database.read() as session:
        return page(read_history(session, project_id, name, config))


def page(history: History) -> str:
    """The report on a history."""
    status = history.status
    template = Template(files("workers.reporting").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{status['project']}: how the labeling stands"),
        subtitle=escape(_subtitle(history)),
        content="\n".join(
            part
            for part in (
                section("In short", bullets(headline(history))),
                _learning(history),
                _classes(history),
                _sources(history),
                _rules(history),
                _batches(history),
                _drift(history),
                _campaigns(history),
                _dead_letters(history),
            )
            if part
        ),
    )


def _subtitle(history: History) -> str:
    status = history.status
    classes = counted(len(status["classes"]), "class", "classes")
    return f"{clock(history.read_at)} UTC, task {status['task']}, {classes}, {counted(status['rounds'], 'round')}"


def _learning(history: History) -> str:
    measured = [model for model in history.models if model.metrics["macro_f1"] is not None]
    if not measured:
        return section("Learning curve", paragraph("No model has been measured yet.", kind="soft"))
    macro = [model.metrics["macro_f1"] for model in measured]
    plot = plots.learning_curve(
        [model.labels for model in measured],
        [found["value"] for found in macro],
        [(found["low"], found["high"]) for found in macro],
    )
    caption = (
        f"Macro-F1 of {counted(len(measured), 'model version')} with 95 % intervals. Measured on the audit sample, "
        f"which chance alone draws; {counted(measured[-1].metrics['n'], 'audit item')} stand behind the last version."
    )
    columns = [
        Column("version", number=True),
        Column("labels", number=True),
        Column("audit items", number=True),
        Column("macro-F1", number=True),
        Column("95 % interval", number=True),
        Column("trained (UTC)"),
    ]
    rows = [
        (
            str(model.version),
            f"{model.labels:,}",
            f"{model.metrics['n']:,}",
            f"{found['value']:.3f}",
            f"{found['low']:.3f} to {found['high']:.3f}",
            clock(model.trained_at),
        )
        for model, found in zip(reversed(measured), reversed(macro), strict=True)
    ]
    return section("Learning curve", figure(plot, caption), folded("All versions", table(columns, rows)))


def _classes(history: History) -> str:
    labels = history.status["labels"]["by_class"]
    ranked = sorted(labels, key=lambda name: labels[name])
    metrics = history.models[-1].metrics if history.models else {"per_class": {}, "too_few": []}
    plotted = [
        _estimate(name, metrics) for name in ranked if metrics["per_class"].get(name, {}).get("recall_low") is not None
    ][:_CLASSES_PLOTTED]
    caption = (
        "Recall by class with 95 % intervals, the class with the fewest labels first. Hollow: too few audit items."
    )
    columns = [Column("class"), Column("labels", number=True)]
    columns += [Column("target", number=True)] if history.targets else []
    columns += [
        Column(heading, number=True) for heading in ("audit items", "recall", "95 % interval", "precision", "F1")
    ]
    rows = [
        [
            name,
            f"{labels[name]:,}",
            *([f"{history.targets[name]:,}" if name in history.targets else ""] if history.targets else []),
            *_rates(name, metrics),
        ]
        for name in ranked
    ]
    plot = [figure(plots.recalls(plotted), caption)] if plotted else []
    return section("Classes", *plot, table(columns, rows))


def _estimate(name: str, metrics: dict[str, Any]) -> Estimate:
    found = metrics["per_class"][name]
    return Estimate(
        name, found["recall"], found["recall_low"], found["recall_high"], sure=name not in metrics["too_few"]
    )


def _rates(name: str, metrics: dict[str, Any]) -> list[str]:
    """Audit items, recall, its interval, precision and F1; too few items give no rates."""
    found = metrics["per_class"].get(name)
    if found is None:
        return ["", "", "", "", ""]
    if name in metrics["too_few"]:
        return [f"{found['support']:,}", "too few", "", "", ""]
    interval = f"{found['recall_low']:.2f} to {found['recall_high']:.2f}" if "recall_low" in found else ""
    return [
        f"{found['support']:,}",
        f"{found['recall']:.2f}",
        interval,
        f"{found['precision']:.2f}",
        f"{found['f1']:.2f}",
    ]


def _sources(history: History) -> str:
    items, labels = history.status["items"], history.status["labels"]
    if not items["total"]:
        return ""
    ranked = sorted(items["by_source"], key=lambda source: -items["by_source"][source])
    shares = [
        (source, items["by_source"][source] / items["total"], labels["by_source"][source] / max(1, labels["total"]))
        for source in ranked
    ]
    rows = [
        (source, f"{items['by_source'][source]:,}", share(pool), f"{labels['by_source'][source]:,}", share(labeled))
        for source, pool, labeled in shares
    ]
    columns = [
        Column("source"),
        Column("items", number=True),
        Column("of the pool", number=True),
        Column("labels", number=True),
        Column("of the labels", number=True),
    ]
    mix = figure(plots.source_mix(shares[:_CLASSES_PLOTTED]), "Each source's share of the pool and of the labels.")
    return section("Sources", mix, table(columns, rows), *_classes_by_source(history, ranked))


def _classes_by_source(history: History, sources: Sequence[str]) -> list[str]:
    """Plot and table of labeled items by class and source; sources beyond the largest few are counted as one."""
    if not history.labels:
        return []
    told_apart = sources if len(sources) <= _SOURCES_PLOTTED else sources[: _SOURCES_PLOTTED - 1]
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for found in history.labels:
        for name in found.classes:
            counts[name][found.source if found.source in told_apart else _OTHER] += found.items
    columns = list(told_apart) if len(told_apart) == len(sources) else [*told_apart, _OTHER]
    ranked = sorted(counts, key=lambda name: -sum(counts[name].values()))
    plot = plots.stacked_labels({name: counts[name] for name in ranked[:_CLASSES_PLOTTED]}, columns)
    caption = "Labeled items by class and source, the largest classes first."
    rows = [[name, *(f"{counts[name][source]:,}" for source in columns)] for name in ranked]
    grid = table([Column("class"), *(Column(source, number=True) for source in columns)], rows)
    return [figure(plot, caption), folded("Labels by class and source", grid)]


def _rules(history: History) -> str:
    rules = history.status["rules"]
    if not rules:
        return ""
    columns = [Column("rule"), Column("class"), Column("kind")]
    columns += [Column(heading, number=True) for heading in ("hits", "labels", "right", "precision", "95 % interval")]
    rows = [
        (
            rule["rule"],
            rule["class"],
            rule["kind"],
            "the nearest" if rule["hits"] is None else f"{rule['hits']:,}",
            f"{rule['labels']:,}",
            f"{rule['right']:,}",
            *rule_precision(rule),
        )
        for rule in rules
    ]
    told = "Precision: the share of the labeled hits that are of the rule's class, whatever channel chose them."
    return section("Seeding rules", table(columns, rows), paragraph(told, kind="soft"))


def _batches(history: History) -> str:
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


def _drift(history: History) -> str:
    windows = history.windows
    if not windows:
        return section("Drift", paragraph("No window of new items has been looked at yet.", kind="soft"))
    plot = plots.drift_timeline(
        [(window.window, window.level, float(window.findings.get("share", 0.0))) for window in windows]
    )
    levels = [(level, sum(window.level == level for window in windows)) for level in LEVELS]
    caption = f"{counted(len(windows), 'window')}: " + ", ".join(
        f"{count:,} {level}" for level, count in levels if count
    )
    explained = "".join(_window(window, history.typical) for window in explained_windows(windows))
    return section("Drift", figure(plot, caption + "."), explained)


def _window(window: WindowLine, typical: dict[int, str]) -> str:
    title = chips([(window.level, window.level)]).html + escape(f"window {window.window}, {clock(window.made_at)} UTC")
    told = "".join(paragraph(line) for line in window_findings(window.findings))
    cells = "".join(
        paragraph(cell_finding(cell)) + quote(one_line(typical.get(cell["typical"][0], ""), longest=_TEXT_SHOWN))
        for cell in window.findings.get("cells", [])
        if cell.get("typical")
    )
    return f"<h3>{title}</h3>{told}{cells}"


def _campaigns(history: History) -> str:
    if not history.campaigns:
        return ""
    columns = [
        Column("opened (UTC)"),
        Column("drift window", number=True),
        Column("budget", number=True),
        Column("candidates", wide=True),
        Column("batch of round", number=True),
    ]
    rows: list[Sequence[Cell]] = [
        (
            clock(campaign.opened_at),
            str(campaign.window),
            f"{campaign.budget:,}",
            chips((f"{kind} {items:,}", "") for kind, items in campaign.candidates.items()),
            "waits" if campaign.round is None else str(campaign.round),
        )
        for campaign in reversed(history.campaigns)
    ]
    return section("Campaigns", table(columns, rows))


def _dead_letters(history: History) -> str:
    if not history.letters:
        return ""
    told = (
        f"{counted(history.status['dead_letters'], 'message')} could not be taken; the newest {len(history.letters)}:"
    )
    rows = [
        (clock(letter.received_at), letter.origin, letter.reason, one_line(letter.payload, longest=_TEXT_SHOWN))
        for letter in history.letters
    ]
    columns = [Column("received (UTC)"), Column("from"), Column("reason", wide=True), Column("payload", wide=True)]
    return section("Dead letters", paragraph(told), table(columns, rows))
