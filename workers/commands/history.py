"""`quietcorner history`: who changed what."""

import json
from typing import Annotated, Any

import typer

from workers.commands import edge


def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show who changed what in a project, the oldest first, with what concerned all projects."""
    from shared.repository.history import changes_of
    from workers.reporting.plain import clock

    database = edge.database(edge.settings())
    edge.open_project(database, name)
    with database.read() as session:
        found: list[dict[str, Any]] = [
            {"at": one.at, "who": one.who, "what": one.what, "project": one.project, "details": one.details}
            for one in changes_of(session, name)
        ]
    if as_json:
        edge.print_json({"project": name, "changes": found})
        return
    for one in found:
        told = ", ".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}"
            for key, value in one["details"].items()
            if value is not None
        )
        typer.echo(f"{clock(one['at'])} UTC  {one['who']}  {one['what']}  {told}".rstrip())
    if not found:
        typer.echo(f"{name}: nothing is recorded; it was made by a version that kept no history")
