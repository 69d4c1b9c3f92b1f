"""`quietcorner report`: the state and the history of a project as a page to read or to send on."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import InvalidInputError
from workers.commands import edge


def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="where to")] = Path("report.html"),
    as_json: Annotated[bool, typer.Option("--json", help="print what the page shows as JSON, and write none")] = False,
) -> None:
    """Write a page on a project: quality, classes, sources, batches, drift. It needs nothing beside itself."""
    from workers.reporting.history import read_history
    from workers.reporting.html import report_html

    database = edge.database(edge.settings())
    project_id, config = edge.open_project(database, name)
    if as_json:
        with database.read() as session:
            edge.print_json(asdict(read_history(session, project_id, name, config)))
        return
    page = report_html(database, project_id, name, config)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"{out}: can't be written: {error}") from error
    typer.echo(f"{name}: wrote {out}")
