"""Database access: one engine a process, explicit read and write transactions, migrations."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy import text as sql
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError
from sqlmodel import Session, SQLModel

from shared import crash_points
from shared.errors import DatabaseUnavailableError
from shared.migrations import newest
from shared.settings import Settings
from shared.urls import sqlite_path, without_password

# A writer on SQLite waits this long for another one before it gives up, and looks so often whether its turn has come.
# SQLite itself would look less and less often, so that who has waited longest would get its turn last.
_BUSY_TIMEOUT_MS = 30_000
_LOOK_S = 0.002
# PostgreSQL's name for it (its manual, appendix A).
_DEADLOCK = "40P01"
# PostgreSQL ends a transaction whose writer stands still for this long: stopped, it would keep its locks for ever.
_IDLE_MS = 30_000

# Tables with this many rows, and twice as many as when the database last looked.
_FEW_ROWS = 500
_GROWN = sql(
    """
    SELECT CAST(c.oid AS regclass)::text
    FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE pg_table_is_visible(c.oid) AND c.relname = ANY (:ours)
        AND pg_has_role(c.relowner, 'USAGE') AND s.n_live_tup > greatest(:few, 2 * c.reltuples)
    ORDER BY 1
    """
)

_CLOCKS = {
    "sqlite": sql("SELECT (julianday('now') - 2440587.5) * 86400.0"),
    "postgresql": sql("SELECT extract(epoch FROM clock_timestamp())::float8"),
}

# Under this name a session is told that its transaction writes an event into the outbox.
EMITS = "emits"


class Database:
    """Transactions on one database. Safe to share between threads, not across a fork.

    Attributes:
        url: Where it is.
        engine: Its connections.
        emitted: How many transactions of this process wrote events into the outbox.
    """

    def __init__(self, url: str) -> None:
        """Prepare (but do not yet open) a pool of connections to the database at `url`."""
        self.url = url
        self.engine = _engine(url)
        self.emitted = 0

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that may write: committed at the end of the block, rolled back on an error.

        On SQLite it takes the write lock at once, so that a reader never has to turn into a writer halfway.
        """
        with _translated(self.url), Session(self.engine, expire_on_commit=False) as session:
            with session.begin():
                if self.engine.dialect.name == "postgresql":
                    session.connection().exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {_IDLE_MS}")
                yield session
                crash_points.before_commit(session)
            crash_points.after_commit(session)
            self.emitted += EMITS in session.info

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads: one consistent view, and no lock that would hold up writers."""
        options = {"sqlite_begin": "DEFERRED", "postgresql_readonly": True}
        if self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"  # by itself each statement would see what came meanwhile
        engine = self.engine.execution_options(**options)
        with _translated(self.url), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all pooled connections."""
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """The database in force, its schema brought up to date.

    Raises:
        DatabaseUnavailableError: it can't be reached, or was made by a newer version.
    """
    crash_points.arm(settings.crash_folder)
    url = settings.sql_url
    if url.startswith("sqlite"):
        _make_parent(url)
    database = Database(url)
    with _translated(url, DBAPIError):
        upgrade(database)
    return database


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema to a migration, the newest if none is named. Does nothing when it is there already."""
    with database.engine.connect().execution_options(sqlite_begin="DEFERRED") as connection:
        if schema_revision(connection) == (newest() if revision == "head" else revision):
            return
    from alembic.util.exc import CommandError  # half a second, which few starts need

    from shared.migrations.running import run

    with database.engine.begin() as connection:
        _one_migration_at_a_time(connection)
        try:
            run(connection, revision)
        except CommandError as error:
            raise DatabaseUnavailableError(
                f"{without_password(database.url)}: {error}. A newer version of Quiet Corner made this database; "
                "install that version, or name another database in DATABASE_URL."
            ) from error


def schema_revision(connection: Connection) -> str | None:
    """The migration that made the schema; None where there is none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sql("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def take_stock(database: Database) -> list[str]:
    """Have PostgreSQL look how large those of our tables have become that have grown many times over since it looked.

    By itself it looks once a minute, and until then it reads all rows of a project to find some.

    Returns:
        The tables, by name; none on SQLite.
    """
    if database.engine.dialect.name != "postgresql":
        return []
    ours = {"ours": list(SQLModel.metadata.tables), "few": _FEW_ROWS}
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with _translated(database.url), engine.connect() as connection:
        grown = list(connection.execute(_GROWN, ours).scalars())
        for table in grown:
            connection.exec_driver_sql(f"ANALYZE {table}")
    return grown


def now(session: Session) -> float:
    """Seconds since 1970 by the database's clock, which all workers share."""
    connection = session.connection()
    return float(connection.execute(_CLOCKS[connection.dialect.name]).scalar_one())


def was_deadlock(error: DatabaseUnavailableError) -> bool:
    """Whether the database ended this transaction since it and others waited for each other: begin it anew."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) == _DEADLOCK


def read_json(written: str | bytes) -> Any:
    """What `json.loads` gives, in a tenth of the time: to label an item, all its answers are read."""
    try:
        return from_json(written)
    except ValueError:
        return json.loads(written)  # which takes halves of characters


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5}, json_deserializer=read_json)
    engine = create_engine(
        make_url(url).set(database=str(sqlite_path(url))),  # SQLAlchemy's versions differ in whether they decode it
        connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
        json_deserializer=read_json,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: `_begin_sqlite` does
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # an acknowledged submission survives a power cut
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
    if mode != "IMMEDIATE":
        connection.exec_driver_sql(f"BEGIN {mode}")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        if not _begins_to_write(driver):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # once more, for SQLAlchemy to say what is in the way
    finally:
        driver.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")


def _begins_to_write(driver: Any) -> bool:
    """Begin once no other connection writes; False when that takes too long, or is not what is in the way."""
    end = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while time.monotonic() < end:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return False
            time.sleep(_LOOK_S)
        else:
            return True
    return False


def _one_migration_at_a_time(connection: Connection) -> None:
    # SQLite: BEGIN IMMEDIATE already holds the only write lock.
    if connection.dialect.name == "postgresql":
        connection.execute(sql("SELECT pg_advisory_xact_lock(7246)"))


def _make_parent(url: str) -> None:
    path = sqlite_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"can't make the folder {path.parent}: {error}. Set QUIETCORNER_DATA_DIR."
        ) from error


@contextmanager
def _translated(url: str, *kinds: type[DBAPIError]) -> Iterator[None]:
    """Turn an error of the database itself, or of one of `kinds`, into one that names the database."""
    try:
        yield
    except DBAPIError as error:
        # `DatabaseError` itself says that a file is no database; its children speak of what was asked.
        away = isinstance(error, (OperationalError, *kinds)) or type(error) is DatabaseError
        if away or error.connection_invalidated:
            raise DatabaseUnavailableError(f"{without_password(url)}: {_cause(error)}") from error
        raise
    except NoConnectionFreeError as error:
        raise DatabaseUnavailableError(
            f"{without_password(url)}: all connections of this process stayed in use for too long, as more is asked of "
            "it at once than the database keeps up with; try again."
        ) from error


def _cause(error: DBAPIError) -> str:
    message = str(error.orig).strip()
    if "locked" in message:
        return f"{message}. Another process held the write lock for over {_BUSY_TIMEOUT_MS // 1000} s; try again."
    return f"{message}. Check DATABASE_URL and that the server runs; `quietcorner doctor` looks at each part."
