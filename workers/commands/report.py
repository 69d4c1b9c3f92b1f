"""`quietcorner report`: the state and the history of a project as a page to read or to send on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from workers.commands import edge
from workers.commands.destination import destination

_QUIET_S = 1.0


def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="where to")] = Path("report.html"),
    as_json: Annotated[bool, typer.Option("--json", help="print what the page shows as JSON, and write none")] = False,
) -> None:
    """Write a page on a project: quality, classes, sources, batches, drift. It needs nothing beside itself.

    Example: quietcorner report tickets --out report.html
    """
    from workers.reporting.advice import advice
    from workers.reporting.history import read_history
    from workers.reporting.html import report_html
    from workers.reporting.sentences import headline

    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    if as_json:
        with database.read() as session:
            history = read_history(session, project_id, name, config)
        edge.print_json({"in_short": headline(history), "what_next": advice(history), **asdict(history)})
        return
    with _progress() as advance:
        page = report_html(database, project_id, name, config, advance=advance)
    with destination(out) as stream:
        stream.write(page)
    typer.echo(f"{name}: wrote {out}")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for whoever waits for longer than a second at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console, started = Console(stderr=True), time.monotonic()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("sections", total=None, visible=False)

        def advance(done: int, of: int) -> None:
            waited = time.monotonic() - started > _QUIET_S
            progress.update(task, completed=done, total=of, visible=waited)

        yield advance
