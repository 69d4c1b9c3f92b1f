"""What the demo shows: a live view on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from scripts.demo_loop.outcome import Tally
from scripts.tickets.generator import FRAUD

_BAR_CELLS = 24
_EVENTS_SHOWN = 5
_PLAIN_EVERY_S = 5.0


@dataclass(frozen=True)
class Frame:
    """What is shown at one moment.

    Attributes:
        phase: What is going on, in words.
        elapsed_s: Seconds since the start.
        status: As `quietcorner status --json` prints it.
        tally: What is found so far.
    """

    phase: str
    elapsed_s: float
    status: dict[str, Any]
    tally: Tally


class Screen(Protocol):
    """Where frames go."""

    def show(self, frame: Frame) -> None:
        """Show a frame."""


@contextmanager
def screen(console: Console) -> Iterator[Screen]:
    """The live view where the console is a terminal, plain lines otherwise."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        yield _LiveView(live)


class _LiveView:
    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, frame: Frame) -> None:
        self._live.update(render(frame))


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_at = 0.0
        self._phase = ""

    def show(self, frame: Frame) -> None:
        if frame.phase == self._phase and time.monotonic() < self._next_at:
            return
        self._phase, self._next_at = frame.phase, time.monotonic() + _PLAIN_EVERY_S
        self._console.print(Text(line(frame)))
        sys.stdout.flush()


def line(frame: Frame) -> str:
    """A frame in one line."""
    status = frame.status
    items, queue = status["items"], status["queue"]
    return (
        f"[{frame.elapsed_s:4.0f} s] {frame.phase}: {items['embedded']:,} of {items['distinct']:,} texts embedded, "
        f"{status['labels']['total']} labels, {queue['waiting'] + queue['leased']} queued, round {status['rounds']}, "
        f"macro-F1 {quality(status)}, drift {_drift(status)}, fraud found {frame.tally.fraud}"
        + (f", its new kind {frame.tally.new_kind}" if frame.tally.new_kind.there else "")
    )


def quality(status: dict[str, Any]) -> str:
    """Macro-F1 on the audit sample with its 95 % interval."""
    metrics = status["model"]["metrics"]
    found = metrics and metrics["macro_f1"]
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})" if found else "not measured yet"


def fraud_recall(status: dict[str, Any]) -> str:
    """Recall of fraud on the audit sample, or why there is none."""
    metrics = status["model"]["metrics"]
    if not metrics:
        return "not measured yet"
    found = metrics["per_class"].get(FRAUD)
    if found is None or FRAUD in metrics["too_few"]:
        return f"too few in the audit sample ({found['support'] if found else 0} of {metrics['n']})"
    return f"{found['recall']:.2f} ({found['recall_low']:.2f} to {found['recall_high']:.2f})"


def render(frame: Frame) -> RenderableType:
    """A frame as a live view."""
    minutes, seconds = divmod(int(frame.elapsed_s), 60)
    return Panel(
        Group(
            Columns([_classes(frame.status), Group(_figures(frame), Text(), _sources(frame.status))], padding=(0, 4)),
            Text(),
            _events(frame.status),
        ),
        title=f"Quiet Corner  {minutes}:{seconds:02}",
        subtitle=frame.phase,
    )


def _classes(status: dict[str, Any]) -> Table:
    table = Table(title="labels by class", box=None, show_header=False, title_justify="left")
    counts: dict[str, int] = status["labels"]["by_class"]
    most = max([*counts.values(), 1])
    for name, count in counts.items():
        style = "bold red" if name == FRAUD else ""
        bar = "█" * round(count / most * _BAR_CELLS)
        table.add_row(Text(name, style), Text(str(count), style), Text(bar, style or "blue"))
    return table


def _figures(frame: Frame) -> Table:
    status, queue = frame.status, frame.status["queue"]
    table = Table(title="now", box=None, show_header=False, title_justify="left")
    rows = {
        "texts embedded": f"{status['items']['embedded']:,} of {status['items']['distinct']:,}",
        "round, model": f"{status['rounds']}, {status['model']['version'] or 'none yet'}",
        "queue": f"{queue['waiting']} waiting, {queue['leased']} in hand, {queue['done']} done",
        "macro-F1 (audit)": quality(status),
        "fraud recall (audit)": fraud_recall(status),
        "fraud found": str(frame.tally.fraud),
        "new kind found": str(frame.tally.new_kind) if frame.tally.new_kind.there else "not there yet",
        "drift": _drift(status),
    }
    for name, value in rows.items():
        table.add_row(name, Text(value, "bold"))
    return table


def _drift(status: dict[str, Any]) -> str:
    drift = status["drift"]
    last = f", last: {drift['last']['level']}" if drift["last"] else ""
    return f"{drift['windows']} windows{last}, {drift['campaigns']} campaigns"


def _sources(status: dict[str, Any]) -> Table:
    table = Table(title="sources", box=None, title_justify="left")
    for heading in ("", "pool", "labels"):
        table.add_column(heading, justify="left" if not heading else "right")
    pool, labels = status["items"]["by_source"], status["labels"]["by_source"]
    for name in pool:
        table.add_row(name, _share(pool, name), _share(labels, name))
    return table


def _share(counts: dict[str, int], name: str) -> str:
    return f"{counts.get(name, 0) / max(1, sum(counts.values())):.0%}"


def _events(status: dict[str, Any]) -> Table:
    """The last events, those in a row of one name as one."""
    table = Table(title="last events", box=None, show_header=False, title_justify="left")
    runs = [list(run) for _, run in groupby(status["events"], key=lambda event: event["event"])]
    for run in runs[:_EVENTS_SHOWN]:
        newest = run[0]
        payload = ", ".join(f"{key} {value}" for key, value in newest["payload"].items())
        times = f"{len(run)} times" if len(run) > 1 else payload
        at = time.strftime("%H:%M:%S", time.localtime(newest["at"]))
        table.add_row(at, newest["event"], Text(times, overflow="ellipsis", no_wrap=True))
    return table
