"""`quietcorner backup` and `quietcorner restore`: one file with all that a new machine needs to go on."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from workers.commands import edge

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def backup(
    out: Annotated[Path, typer.Argument(metavar="FILE.zip", help="where to; replaced if it is there")],
    as_json: AsJson = False,
) -> None:
    """Copy the whole database into one file, while everything runs.

    The copy is of one moment. It holds all projects with their texts, labels, models
    and vectors, and can be restored into SQLite and PostgreSQL alike.
    """
    from shared.backup import write_backup
    from shared.database import Database

    with closing(Database(edge.settings().sql_url)) as database, _progress() as advance:
        manifest = write_backup(database, out, advance=advance)
    if as_json:
        edge.print_json({"file": str(out), "bytes": out.stat().st_size, **asdict(manifest)})
        return
    size = out.stat().st_size / 2**20
    typer.echo(f"{out}: {manifest.rows:,} rows of {len(manifest.parts)} tables, {size:,.1f} MiB")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="what `quietcorner backup` wrote")],
    as_json: AsJson = False,
) -> None:
    """Fill a new database with a backup.

    The database must hold nothing yet: name it with DATABASE_URL, or a new data folder
    with QUIETCORNER_DATA_DIR. The file is checked before a row is written.
    """
    from shared.backup import restore_backup
    from shared.database import Database
    from shared.repository.history import What, operator, record
    from shared.repository.tokens import live_tokens
    from workers.supervisor import folder_lock

    in_force = edge.settings()
    with (
        folder_lock.hold(in_force.folder),
        closing(Database(in_force.sql_url)) as database,
        _progress() as advance,
    ):
        manifest = restore_backup(database, file, advance=advance)
        with database.write() as session:
            details = {"made_at": manifest.made_at, "rows": manifest.rows}
            record(session, What.RESTORED, project=None, who=operator(), **details)
            tokens = len(live_tokens(session))
    if tokens:
        typer.echo(
            f"{tokens} token(s) of the HTTP API are live, those too that were revoked after the backup was made: "
            "`quietcorner token list` shows them, `quietcorner token revoke ID` ends one.",
            err=True,
        )
    if as_json:
        edge.print_json({"file": str(file), **asdict(manifest)})
        return
    made = datetime.fromtimestamp(manifest.made_at, UTC).isoformat(sep=" ", timespec="seconds")
    typer.echo(f"{file}: {manifest.rows:,} rows of {made} restored. `quietcorner up` goes on from there.")


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda table, done, of: bar.update(task, description=table, completed=done, total=of)
