"""`quietcorner export`: the labels and how they came about, for training elsewhere."""

import json
from pathlib import Path
from typing import Annotated

import typer

from workers.commands import edge
from workers.commands.destination import destination


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the project")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="where to; standard output if left out")
    ] = None,
) -> None:
    """Write each labeled item as a line of JSON: text, label, agreement, all submissions, and why it was queued."""
    from workers.reporting.labeled import labeled_items

    database = edge.database(edge.settings())
    project_id, _ = edge.open_project(database, name)
    count = 0
    with destination(out) as file, database.read() as session:
        for item in labeled_items(session, project_id):
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
            count += 1
    typer.echo(f"{name}: {count:,} labeled items written{f' to {out}' if out else ''}", err=True)
