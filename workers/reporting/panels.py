"""The status of a project on a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared.lanes import MOST_ATTEMPTS
from workers.reporting.measured import over_classes, rarest_first, read_quality
from workers.reporting.plain import clock, one_line
from workers.reporting.rules import rule_precision, stopped_rules
from workers.reporting.sentences import agreement, counted, goal_figures, goal_state, listed, share

# Classes and sources shown; the rarest classes come first.
_MOST_ROWS = 20
_LONGEST_NAME = 40
_LONGEST_ERROR = 300
_GOAL_STYLES = {"met": "green", "not met": "bold yellow"}
_LEVEL_STYLES = {"warn": "yellow", "act": "bold red"}

Status = dict[str, Any]


def status_panels(status: Status) -> RenderableType:
    """What `workers.reporting.status.project_status` returns, for people."""
    return Group(
        Panel(_overview(status), title=_name(status["project"]), title_align="left"),
        Panel(_classes(status), title="Classes, the rarest first", title_align="left"),
        Panel(_sources(status), title="Sources", title_align="left"),
        *([Panel(_rules(status["rules"]), title="Seeding rules", title_align="left")] if status["rules"] else []),
        Panel(_lanes(status), title="Lanes", title_align="left"),
        Panel(_events(status["events"]), title="Events, the newest first (UTC)", title_align="left"),
    )


def _overview(status: Status) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in (
        ("items", _items(status["items"])),
        ("labels", _labels(status["labels"], status["items"]["total"])),
        *(("agreement", Text(told)) for told in agreement(status["agreement"])),
        ("queue", _queue(status["queue"])),
        ("rounds", Text(f"{status['rounds']:,}")),
        ("model", _model(status["model"])),
        *([("goals", _goals(status["goals"]))] if status["goals"] else []),
        *([("classes done", _names(status["done"], "enough of their items is found"))] if status["done"] else []),
        *([("rules stopped", _stopped(status["rules"]))] if stopped_rules(status["rules"]) else []),
        ("drift", _drift(status["drift"])),
        ("dead letters", _dead_letters(status["dead_letters"])),
    ):
        grid.add_row(name, value)
    return grid


def _items(items: Status) -> Text:
    if not items["total"]:
        return Text("none yet: quietcorner ingest brings them in", style="yellow")
    embedded, distinct = items["embedded"], items["distinct"]
    line = Text(f"{items['total']:,}, {distinct:,} distinct texts, {embedded:,} of them embedded")
    if embedded < distinct:
        line.append(f" ({share(embedded / distinct)})", style="yellow")
    return line


def _labels(labels: Status, items: int) -> Text:
    part = f" ({share(labels['total'] / items)} of the items)" if items else ""
    return Text(
        f"{labels['total']:,}{part} from {labels['submissions']:,} submissions, "
        f"{labels['late']:,} of them late, {labels['unasked']:,} unasked"
    )


def _queue(queue: Status) -> Text:
    return Text(f"{queue['waiting']:,} waiting, {queue['leased']:,} leased, {queue['done']:,} done")


def _model(model: Status) -> Text:
    if model["version"] is None:
        return Text("none yet: the first round with labels of two classes trains one")
    line = f"version {model['version']}, trained on {model['labels']:,} labeled items; "
    metrics = model["metrics"]
    if metrics is None:
        return Text(line + "not measured yet")
    if model["measured"] != model["version"]:
        line += f"version {model['measured']}: "
    if metrics["macro_f1"] is None:
        return Text(line + f"too few audit items to measure it ({metrics['n']:,})")
    macro = metrics["macro_f1"]
    told = f"macro-F1 {macro['value']:.2f} ({macro['low']:.2f} to {macro['high']:.2f})"
    if area := metrics.get("macro_pr_auc"):
        told += f", macro PR-AUC {area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})"
    return Text(line + f"{told} on {metrics['n']:,} audit items{over_classes(metrics)}")


def _goals(goals: Status) -> Text:
    """One line each: those that are not met first."""
    ranked = sorted(goals, key=lambda name: (goals[name]["met"] is not False, goals[name]["met"] is not None))
    lines = []
    for name in ranked[:_MOST_ROWS]:
        state = goal_state(goals[name])
        told = f"{one_line(name, longest=_LONGEST_NAME)}: {goal_figures(goals[name])}, "
        lines.append(Text.assemble(told, (state, _GOAL_STYLES.get(state, ""))))
    if len(goals) > _MOST_ROWS:
        lines.append(Text(f"and {len(goals) - _MOST_ROWS:,} more (--json shows all)", style="dim"))
    return Text("\n").join(lines)


def _names(names: Sequence[str], what: str) -> Text:
    return Text(f"{listed([one_line(name, longest=_LONGEST_NAME) for name in names])}: {what}")


def _stopped(rules: list[Status]) -> Text:
    told = _names(stopped_rules(rules), "they find less of their class than chance, and get no more places")
    told.stylize("yellow")
    return told


def _drift(drift: Status) -> Text:
    if drift["last"] is None:
        return Text("no window looked at yet")
    last = drift["last"]
    return Text.assemble(
        f"{counted(drift['windows'], 'window')}, the last: ",
        (one_line(last["level"], longest=_LONGEST_NAME), _LEVEL_STYLES.get(last["level"], "")),
        f"; {counted(drift['campaigns'], 'campaign')}",
        f", {drift['campaigns_waiting']:,} of them to be started by you" if drift["campaigns_waiting"] else "",
    )


def _dead_letters(count: int) -> Text:
    return Text(f"{count:,}", style="yellow" if count else "")


def _classes(status: Status) -> Table:
    metrics = status["model"]["metrics"] or {"per_class": {}, "too_few": []}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("class", overflow="fold")
    for heading in ("labels", "recall", "precision", "PR-AUC", "audit items"):
        table.add_column(heading, justify="right")
    labels = status["labels"]["by_class"]
    ranked = rarest_first(
        labels, labels, read_quality(status["model"]["metrics"]) if status["model"]["metrics"] else None
    )
    for name in ranked[:_MOST_ROWS]:
        table.add_row(_name(name), f"{labels[name]:,}", *_rates(metrics, name))
    _say_what_is_left(table, len(ranked))
    return table


def _rates(metrics: Status, name: str) -> Iterable[str]:
    found = metrics["per_class"].get(name)
    if found is None:
        return ("", "", "", "")
    if name in metrics["too_few"]:
        return ("too few", "too few", "", f"{found['support']:,}")
    area = found.get("pr_auc")
    return (
        f"{found['recall']:.2f}",
        f"{found['precision']:.2f}",
        "" if area is None else f"{area:.2f}",
        f"{found['support']:,}",
    )


def _sources(status: Status) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("source", overflow="fold")
    for heading in ("items", "labels"):
        table.add_column(heading, justify="right")
    ranked = sorted(status["items"]["by_source"].items(), key=lambda pair: -pair[1])
    for name, count in ranked[:_MOST_ROWS]:
        table.add_row(_name(name), f"{count:,}", f"{status['labels']['by_source'].get(name, 0):,}")
    _say_what_is_left(table, len(ranked))
    return table


def _rules(rules: list[Status]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("rule", "class", "kind"):
        table.add_column(heading, overflow="fold")
    for heading in ("hits", "labels", "right", "precision", "95 % interval", "chance"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for rule in rules[:_MOST_ROWS]:
        hits = "the nearest" if rule["hits"] is None else f"{rule['hits']:,}"
        counts = hits, f"{rule['labels']:,}", f"{rule['right']:,}"
        chance = "" if rule["prior"] is None else share(rule["prior"]["value"])
        table.add_row(
            _name(rule["rule"]),
            _name(rule["class"]),
            rule["kind"],
            *counts,
            *rule_precision(rule),
            chance,
            Text("stopped", style="yellow") if rule["stopped"] else "",
        )
    _say_what_is_left(table, len(rules))
    return table


def _say_what_is_left(table: Table, rows: int) -> None:
    if rows > _MOST_ROWS:
        table.add_row(Text(f"and {rows - _MOST_ROWS:,} more (--json shows all)", style="dim"))


def _lanes(status: Status) -> Group:
    return Group(*(_lane(room, lane, status["project"]) for room, lane in status["lanes"].items()))


def _lane(room: str, lane: Status, project: str) -> Text:
    behind = lane["requested"] - lane["completed"]
    error = one_line(lane["error"] or "its worker died", longest=_LONGEST_ERROR)
    if lane["held_by"]:
        before = f", after {error}" if lane["error"] else ""
        return Text(f"{room}: {one_line(lane['held_by'], longest=_LONGEST_ERROR)} is at work{before}", style="green")
    if behind and lane["attempts"] >= MOST_ATTEMPTS:
        return Text(
            f"{room}: set aside after {lane['attempts']} attempts: {error}\n"
            f"  Mend the cause, then `quietcorner batch next {project}` lets it run again.",
            style="bold red",
        )
    if behind and lane["error"]:
        return Text(f"{room}: tried {lane['attempts']} times: {error}", style="yellow")
    if behind:
        return Text(f"{room}: work waits ({counted(behind, 'request')})")
    return Text(f"{room}: idle", style="dim")


def _events(events: list[Status]) -> Group:
    if not events:
        return Group(Text("none in the last day", style="dim"))
    return Group(
        *(
            Text.assemble((clock(event["at"]), "dim"), f"  {event['event']}  ", (_payload(event["payload"]), "dim"))
            for event in events
        )
    )


def _payload(payload: Status) -> str:
    return one_line(", ".join(f"{key} {value}" for key, value in payload.items()), longest=_LONGEST_ERROR)


def _name(name: str) -> Text:
    return Text(one_line(name, longest=_LONGEST_NAME))
