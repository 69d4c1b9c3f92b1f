"""`quietcorner export`: the labels and how they came about, for training elsewhere."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from shared.errors import InvalidInputError
from workers.commands import edge


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
    with _destination(out) as file, database.read() as session:
        for item in labeled_items(session, project_id):
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
            count += 1
    typer.echo(f"{name}: {count:,} labeled items written{f' to {out}' if out else ''}", err=True)


@contextmanager
def _destination(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there only once it is whole."""
    if out is None:
        yield sys.stdout
        return
    unfinished = out.with_name(out.name + ".part")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            yield file
        unfinished.replace(out)
    except OSError as error:
        raise InvalidInputError(f"{out}: can't be written: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
