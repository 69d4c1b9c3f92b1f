"""`quietcorner drift`: what the watch over incoming texts says, its reference, and its alarms."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from shared.errors import InvalidInputError
from workers.commands import drift_reference, edge

if TYPE_CHECKING:
    from shared.drift_tables import DriftReference
    from workers.context import Context
    from workers.drift.looking import Scene
    from workers.drift.replay import Replayed

_DEFAULT = "status"


class _WithDefault(TyperGroup):
    """`quietcorner drift NAME` is short for `quietcorner drift status NAME`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command where none is named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


commands = typer.Typer(
    cls=_WithDefault,
    no_args_is_help=True,
    add_completion=False,
    help="Show what the watch over incoming texts says, settle its alarms, renew its reference.\n\n"
    "`quietcorner drift NAME` is short for `quietcorner drift status NAME`.",
)
commands.add_typer(drift_reference.commands, name="reference")

Name = Annotated[str, typer.Argument(metavar="NAME", help="the project")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@commands.command(epilog="Example: [bold]quietcorner drift status tickets[/bold]")
def status(name: Name, as_json: AsJson = False) -> None:
    """Show the reference, the alarms and the last windows."""
    from workers.reporting.drift_watch import lines, read_watch

    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    with database.read() as session:
        facts = read_watch(session, project_id, name, config)
    if as_json:
        edge.print_json(facts)
        return
    for line in lines(facts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner drift show tickets 12 --plot window.png[/bold]")
def show(
    name: Name,
    number: Annotated[int | None, typer.Argument(metavar="[WINDOW]", help="the newest if left out")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="write a picture of it as well")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one window: what was compared, what drifted, where, and the most typical new texts."""
    from shared.repository.drift import find_report, last_report
    from shared.repository.drift_items import texts_of
    from workers.reporting.drift_watch import window_facts, window_lines

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.read() as session:
        report = last_report(session, project_id) if number is None else find_report(session, project_id, number)
        if report is None:
            raise InvalidInputError(
                f"{name} has no drift window{'' if number is None else f' {number}'}; "
                f"`quietcorner drift {name}` lists the last ones"
            )
        facts = window_facts(report)
        typical = [item for cell in report.findings.get("cells", []) for item in cell["typical"]]
        texts = texts_of(session, typical)
    if plot is not None:
        _write_plot(database, project_id, facts, plot)
    if as_json:
        edge.print_json({"project": name, **facts})
        return
    for line in window_lines(name, facts, texts):
        typer.echo(line)


@commands.command(epilog="Example: [bold]quietcorner drift acknowledge tickets 3 --why 'the spring sale'[/bold]")
def acknowledge(
    name: Name,
    alarm: Annotated[int, typer.Argument(metavar="ALARM", help="its number in `quietcorner drift NAME`")],
    why: Annotated[str | None, typer.Option(metavar="TEXT", help="what it was, for whoever looks next")] = None,
) -> None:
    """Say that an alarm has been seen: it stays live until it is over, and opens no campaign any more."""
    from shared.repository.alarms import acknowledge as note
    from shared.repository.history import What, operator, record

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    with database.write() as session:
        found = note(session, project_id, alarm, why=why)
        record(session, What.ALARM_ACKNOWLEDGED, project=name, who=operator(), alarm=alarm, why=why)
        typer.echo(f"{name}: alarm {alarm} ({found.channel}) is acknowledged")


@commands.command(epilog="Example: [bold]quietcorner drift replay tickets --reference 2[/bold]")
def replay(
    name: Name,
    reference: Annotated[
        int | None, typer.Option(metavar="VERSION", help="beside which reference; the one in force if left out")
    ] = None,
    campaign: Annotated[
        bool, typer.Option("--campaign", help="open a campaign on the last window at `act`, if there is one")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the watch, as the project file has it now, over all that came after a reference.

    Nothing is written, and no campaign is opened unless it is asked for. The first
    window after the reference is number 1, whatever `quietcorner drift NAME` calls it.
    """
    held, scene = drift_reference.scene_of(name)
    stored = drift_reference.find(held, scene, name, reference)
    with _progress(held, scene, stored) as advance:
        found = [advance(window) for window in _replay(held, scene, stored)]
    opened = _open_campaign(held, scene, stored, found) if campaign else None
    facts = [_replayed(one) for one in found]
    if as_json:
        edge.print_json({"project": name, "reference": stored.version, "windows": facts, "campaign": opened})
        return
    from workers.reporting.drift_watch import bars

    if not found:
        typer.echo(f"{name}: no full window came after reference {stored.version}")
        return
    typer.echo(
        f"{name}: windows after reference {stored.version}, the first of them is 1; `quietcorner drift` numbers those "
        "that it looked at all through"
    )
    for line in bars([(one.number, one.level, one.report.share, one.gathered) for one in found]):
        typer.echo(line)
    for fact in facts:
        for change in fact["alarms"]:
            typer.echo(f"  window {fact['window']}: {change['kind']}: {change['why']}")
    if campaign:
        typer.echo("opened a campaign" if opened else "no campaign was opened: no window at act, or one is under way")


def _write_plot(database: Any, project_id: int, facts: dict[str, Any], path: Path) -> None:
    from workers.reporting.drift_plot import window_png
    from workers.reporting.history import read_windows

    with database.read() as session:
        windows = read_windows(session, project_id)
    image = window_png(
        [(one.window, one.level, float(one.findings.get("share", 0.0))) for one in windows],
        facts["window"],
        facts["findings"],
    )
    try:
        path.write_bytes(image)
    except OSError as error:
        raise InvalidInputError(f"{path}: can't be written: {error}") from error
    typer.echo(f"wrote {path}", err=True)


def _replay(held: "Context", scene: "Scene", stored: "DriftReference") -> "Iterator[Replayed]":
    from workers.drift.reference import is_readable
    from workers.drift.replay import replay as look_again

    if stored.encoder != scene.encoder or not is_readable(stored.arrays):
        raise InvalidInputError(
            f"reference {stored.version} is of encoder {stored.encoder!r} or of an earlier version of Quiet Corner; "
            "the vectors in use can't be compared with it"
        )
    return look_again(held.database, scene, stored)


def _replayed(one: "Replayed") -> dict[str, Any]:
    from workers.drift.wording import why

    return {
        "window": one.number,
        "items": len(one.window.ids),
        "since": one.window.since,
        "level": one.level,
        "share": one.report.share,
        "alarms": [
            {
                "kind": change.kind,
                "channel": change.channel,
                "scope": change.scope,
                "level": change.level,
                "share": change.share,
                "why": why(change, one.report, window=one.number),
            }
            for change in one.changes
        ],
    }


def _open_campaign(held: "Context", scene: "Scene", stored: "DriftReference", found: "list[Replayed]") -> bool:
    from workers.drift.levels import Level
    from workers.drift.looking import read_reference
    from workers.drift.tasks import ask, propose

    severe = [one for one in found if one.level is Level.ACT]
    if not severe:
        return False
    last = severe[-1]
    asked = ask(held.database, scene, read_reference(stored), last.report, number=last.number)
    named = f"window {last.number} of a replay beside reference {stored.version}"
    with held.database.write() as session:
        return propose(session, scene, asked, last.report, row=None, window=named)


@contextmanager
def _progress(held: "Context", scene: "Scene", stored: "DriftReference") -> "Iterator[Any]":
    """A bar on standard error, by items."""
    from rich.console import Console
    from rich.progress import Progress

    from shared.repository.drift_items import count_after

    with held.database.read() as session:
        items = count_after(session, scene.project_id, stored.through)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("items looked at", total=items)

        def advance(window: "Replayed") -> "Replayed":
            progress.update(task, advance=len(window.window.ids))
            return window

        yield advance
