"""`quietcorner status`: how a project stands."""

import signal
import time
from contextlib import ExitStack, suppress
from functools import partial
from typing import Annotated

import typer

from shared.errors import InvalidInputError
from workers.commands import edge

_REFRESH_S = 1.0


def status(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    watch: Annotated[bool, typer.Option("--watch", help="show it anew every second, until Ctrl-C")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show how a project stands: items, labels, queue, model, drift, and what its workers do."""
    from rich.console import Console
    from rich.live import Live

    from workers.reporting.panels import status_panels
    from workers.reporting.status import project_status

    if watch and as_json:
        raise InvalidInputError("--watch and --json don't go together; ask for --json as often as you like")
    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    if as_json:
        edge.print_json(project_status(database, project_id, name, config))
        return
    console = Console(highlight=False)
    if not watch:
        console.print(status_panels(project_status(database, project_id, name, config)))
        return
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)  # a terminal gets its screen and its cursor back
    with suppress(KeyboardInterrupt), ExitStack() as shown:
        show = console.print  # one after the other, where they are written to a file or a pipe
        if console.is_terminal:
            live = shown.enter_context(Live(console=console, screen=True, auto_refresh=False))
            show = partial(live.update, refresh=True)
        while True:
            show(status_panels(project_status(database, project_id, name, config)))
            time.sleep(_REFRESH_S)
