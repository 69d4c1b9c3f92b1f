"""The report: one HTML page that needs nothing beside itself, no script and no network."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from string import Template

from shared.database import Database
from shared.project import ProjectConfig
from workers.reporting import plots
from workers.reporting.advice import advice
from workers.reporting.fresh_labels import fresh_labels_section, summary
from workers.reporting.history import AlarmLine, History, WindowLine, explained_windows, read_history
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
from workers.reporting.plots import LEVELS
from workers.reporting.quality import confused, costs, frequencies, probabilities, quality_now, recalls_and_curves
from workers.reporting.rounds import batches, labels_over_rounds, learning
from workers.reporting.rules import rule_precision
from workers.reporting.sentences import cell_finding, counted, headline, share, window_findings

# More would make the page long and the plots thin; the tables hold all.
_CLASSES_PLOTTED = 30
_SOURCES_PLOTTED = 7
_TEXT_SHOWN = 400
_OTHER = "other sources"
Advance = Callable[[int, int], None]
"""Hears how many of how many sections are done."""


def report_html(
    database: Database, project_id: int, name: str, config: ProjectConfig, *, advance: Advance | None = None
) -> str:
    """The report on a project as it stands now, as a whole HTML document; `advance` hears of each finished section."""
    with database.read() as session:
        history = replace(read_history(session, project_id, name, config), fresh_labels=summary(session, project_id))
    return page(history, advance=advance)


def page(history: History, *, advance: Advance | None = None) -> str:
    """The report on a history."""
    status = history.status
    content = []
    for number, part in enumerate(_SECTIONS, 1):
        content.append(part(history))
        if advance:
            advance(number, len(_SECTIONS))
    template = Template(files("workers.reporting").joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{status['project']}: how the labeling stands"),
        subtitle=escape(_subtitle(history)),
        content="\n".join(part for part in content if part),
    )


def _in_short(history: History) -> str:
    return section("In short", bullets(headline(history)), "<h3>What to do next</h3>", bullets(advice(history)))


def _subtitle(history: History) -> str:
    status = history.status
    classes = counted(len(status["classes"]), "class", "classes")
    return f"{clock(history.read_at)} UTC, task {status['task']}, {classes}, {counted(status['rounds'], 'round')}"


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
    columns += [
        Column(heading, number=True) for heading in ("hits", "labels", "right", "precision", "95 % interval", "chance")
    ]
    columns += [Column("")]
    rows: list[Sequence[Cell]] = [
        (
            rule["rule"],
            rule["class"],
            rule["kind"],
            "the nearest" if rule["hits"] is None else f"{rule['hits']:,}",
            f"{rule['labels']:,}",
            f"{rule['right']:,}",
            *rule_precision(rule),
            "" if rule["prior"] is None else share(rule["prior"]["value"]),
            chips([("stopped", "missed")]) if rule["stopped"] else "",
        )
        for rule in rules
    ]
    told = (
        "Precision: the share of the labeled hits that are of the rule's class, whatever channel chose them. Chance: "
        "the share of the class in the pool. A rule that surely finds less than chance stops: it gets no more places."
    )
    return section("Seeding rules", table(columns, rows), paragraph(told, kind="soft"))


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
    return section("Drift", figure(plot, caption + "."), _alarms(history.alarms), explained)


def _alarms(alarms: Sequence[AlarmLine]) -> str:
    """The live ones in full, and how many there were."""
    live = [alarm for alarm in alarms if alarm.over_at is None]
    ended = len(alarms) - len(live)
    if not live:
        told = f"No alarm is live; {counted(ended, 'alarm')} came and went." if ended else "There was no alarm."
        return paragraph(told, kind="soft")
    lines = [
        f"{alarm.level} since {clock(alarm.opened_at)} UTC{', acknowledged' if alarm.acknowledged else ''}: "
        f"{one_line(alarm.why, longest=_TEXT_SHOWN)}."
        for alarm in live
    ]
    more = paragraph(f"{counted(ended, 'alarm')} came and went before.", kind="soft") if ended else ""
    return paragraph("Live alarms:") + bullets(lines) + more


def _fresh_labels(history: History) -> str:
    return fresh_labels_section(history.fresh_labels)


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
        Column("why", wide=True),
        Column("drift window", number=True),
        Column("budget", number=True),
        Column("candidates", wide=True),
        Column("batches of rounds"),
        Column("state", wide=True),
    ]
    rows: list[Sequence[Cell]] = [
        (
            clock(campaign.opened_at),
            campaign.why or campaign.origin,
            "" if campaign.window is None else str(campaign.window),
            f"{campaign.budget:,}",
            chips((f"{kind} {items:,}", "") for kind, items in campaign.candidates.items()),
            ", ".join(map(str, campaign.rounds)),
            campaign.state + (f": {campaign.end_reason}" if campaign.end_reason else ""),
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


_SECTIONS = (
    _in_short,
    quality_now,
    learning,
    recalls_and_curves,
    probabilities,
    confused,
    costs,
    frequencies,
    labels_over_rounds,
    _sources,
    _rules,
    batches,
    _drift,
    _fresh_labels,
    _campaigns,
    _dead_letters,
)
"""In the order of the page."""
