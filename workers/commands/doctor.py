"""`quietcorner doctor`: look at each part that Quiet Corner stands on, and say how to mend what is wrong."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, select

from shared.database import Database, schema_revision
from shared.errors import ConfigError, DatabaseUnavailableError, EncoderUnavailableError, RedisUnavailableError
from shared.migrations import newest, revisions
from shared.settings import Settings, load_settings
from shared.streams import connect
from shared.tables import Project
from shared.urls import sqlite_path, without_password
from workers.commands import edge
from workers.supervisor import redis_server

_LEAST_FREE_BYTES = 2**30
_OLDEST_PYTHON = (3, 11)


class Level(StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """What was found about one part; `mend` says what to do when it isn't well."""

    name: str
    level: Level
    found: str
    mend: str | None = None


def doctor(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="build anew in Redis what the database says should be there; does no harm twice"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Check settings, data folder, database, Redis, encoder and disk. Exit code 1 when something fails."""
    checks = list(examine())
    if repair:
        checks += _repaired(checks)
    if as_json:
        edge.print_json([asdict(check) for check in checks])
    else:
        _print_table(checks)
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(1)


def _repaired(checks: list[Check]) -> Iterator[Check]:
    """What `--repair` did, a line for each part; where database or Redis can't be had, that it did nothing."""
    from workers.commands.repair import repair

    levels = {check.name: check.level for check in checks}
    if levels.get("database") is not Level.OK or levels.get("Redis") is Level.FAIL or not _answers():
        mend = "Mend what stands above, or start `quietcorner up`, and try again."
        yield Check("repair", Level.FAIL, "database and Redis are both needed; nothing was done", mend)
        return
    for part in repair(load_settings()):
        yield Check(f"repair: {part.name}", Level.WARN if part.mend else Level.OK, part.done, part.mend)


def _answers() -> bool:
    try:
        with closing(connect(load_settings())) as client:
            return bool(client.ping())
    except RedisError:
        return False


def examine() -> Iterator[Check]:
    """All checks; without valid settings only the first two."""
    yield _python()
    try:
        settings = load_settings()
    except ConfigError as error:
        yield Check("settings", Level.FAIL, str(error), "Settings are QUIETCORNER_*, DATABASE_URL and REDIS_URL.")
        return
    yield Check("settings", Level.OK, f"{settings.compute_threads} compute threads, log level {settings.log_level}")
    yield _data_folder(settings.folder)
    yield _disk(settings.folder)
    database, encoders = _database(settings)
    yield database
    if settings.redis_url is None:
        yield _redis_binary()
    yield _redis(settings)
    for name in encoders:
        yield _encoder(name)


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Check("Python", Level.FAIL, found, "Install Python 3.11 or newer.")
    return Check("Python", Level.OK, found)


def _data_folder(folder: Path) -> Check:
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        mend = "Give yourself the right to write there, or choose another folder with QUIETCORNER_DATA_DIR."
        return Check("data folder", Level.FAIL, f"{folder}: {error}", mend)
    return Check("data folder", Level.OK, f"{folder}" if place == folder else f"{folder} (the first command makes it)")


def _disk(folder: Path) -> Check:
    free = shutil.disk_usage(_nearest(folder)).free
    found = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < _LEAST_FREE_BYTES:
        return Check("disk", Level.FAIL, found, "Make room: 1 GiB at the least, and 1 GiB more a million items.")
    return Check("disk", Level.OK, found)


def _database(settings: Settings) -> tuple[Check, list[str]]:
    """The check of the database, and the encoders to look at next: the packaged one and those that projects name."""
    from workers.embedding.encoders import PACKAGED

    url = settings.sql_url
    shown = without_password(url)
    if url.startswith("sqlite") and not sqlite_path(url).exists():
        return Check("database", Level.OK, f"{shown} (the first command makes it)"), [PACKAGED]
    try:
        with closing(Database(url)) as database, database.read() as session:
            check = _schema(session, shown)
            encoders = _named_encoders(session) if check.level is Level.OK else set()
    except (DatabaseUnavailableError, SQLAlchemyError) as error:
        mend = "Start the database server, or mend DATABASE_URL (PostgreSQL or SQLite)."
        return Check("database", Level.FAIL, f"{shown}: {error}", mend), [PACKAGED]
    return check, sorted({PACKAGED, *encoders})


def _schema(session: Session, shown: str) -> Check:
    connection = session.connection()
    server = ".".join(map(str, connection.dialect.server_version_info or ()))
    found = f"{connection.dialect.name} {server} at {shown}"
    revision = schema_revision(connection)
    if revision == newest():
        return Check("database", Level.OK, f"{found}, schema {revision}")
    if revision is None:
        return Check("database", Level.WARN, f"{found}, empty", "Any command that uses it makes the tables.")
    if revision not in revisions():
        found = f"{found}, schema {revision}, which this version doesn't know"
        return Check("database", Level.FAIL, found, "Install the version of Quiet Corner that made it, or a newer one.")
    mend = f"Any command that uses it brings it to {newest()}; make a copy before."
    return Check("database", Level.WARN, f"{found}, schema {revision}", mend)


def _named_encoders(session: Session) -> set[str]:
    return {str(project.config["encoder"]) for project in session.exec(select(Project))}


def _redis_binary() -> Check:
    try:
        binary = redis_server.find_server()
    except RedisUnavailableError as error:
        return Check("Redis server", Level.FAIL, str(error), "Install redis-server 6.2 or newer, or set REDIS_URL.")
    version = ".".join(map(str, redis_server.server_version(binary)))
    return Check("Redis server", Level.OK, f"{version}, {binary}")


def _redis(settings: Settings) -> Check:
    shown = without_password(settings.redis_in_force)
    embedded = settings.redis_url is None
    if embedded and not settings.redis_socket.exists():
        return Check("Redis", Level.WARN, f"not running at {shown}", "quietcorner up")
    try:
        with closing(connect(settings)) as client:
            version = redis_server.check_version(client)
            keeps = bool(client.info("persistence").get("aof_enabled"))
    except RedisError as error:
        if embedded:
            return Check("Redis", Level.WARN, f"not running at {shown}: {error}", "quietcorner up")
        return Check("Redis", Level.FAIL, f"{shown}: {error}", "Start it, or mend REDIS_URL.")
    except RedisUnavailableError as error:
        return Check("Redis", Level.FAIL, f"{shown}: {error}", "Install Redis 6.2 or newer.")
    if not keeps:
        mend = "Set `appendonly yes`: what annotators sent and was not yet read is lost with Redis otherwise."
        return Check("Redis", Level.WARN, f"{version} at {shown}, without an append-only file", mend)
    return Check("Redis", Level.OK, f"{version} at {shown}, with an append-only file")


def _encoder(name: str) -> Check:
    from workers.embedding.encoders import find_encoder

    part = f"encoder {name}"
    try:
        path = find_encoder(name)
    except EncoderUnavailableError as error:
        return Check(part, Level.FAIL, str(error), "Put the model there, or change `encoder` in the project file.")
    except ModuleNotFoundError as error:
        return Check(part, Level.FAIL, str(error), "Install Quiet Corner again: the model's package is missing.")
    if path is None:
        mend = "Its first use needs the network; a local folder as `encoder` does not."
        return Check(part, Level.WARN, "comes from a model hub", mend)
    if not any(os.access(path / name, os.R_OK) for name in ("modules.json", "config.json")):
        return Check(part, Level.FAIL, f"{path} can't be read", "Install Quiet Corner again, or mend the folder.")
    return Check(part, Level.OK, str(path))


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _print_table(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colors = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
    table = Table("part", "", "found", "mend", show_edge=False)
    for check in checks:
        level = Text(check.level, colors[check.level])
        table.add_row(Text(check.name), level, Text(check.found, overflow="fold"), Text(check.mend or ""))
    Console(highlight=False).print(table)
