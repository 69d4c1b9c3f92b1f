"""Settings: one frozen object, built once at the edge of each process."""

import hashlib
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import ConfigError
from shared.urls import check_database_url, check_redis_url, sqlite_url, unix_url, without_password

# What `QUIETCORNER_LANE_LEASE_S` may be at most.
LONGEST_LEASE_S = 3_600.0

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
_LONGEST_SOCKET_PATH = 100
_PREFIX = "QUIETCORNER_"
_OTHER_VARIABLES = ("DATABASE_URL", "REDIS_URL")


class Settings(BaseSettings):
    """What differs between machines. Read from `QUIETCORNER_*`, `DATABASE_URL` and `REDIS_URL`."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path("quietcorner-data"), description="folder of the embedded database and Redis")
    database_url: Annotated[str, AfterValidator(check_database_url)] | None = Field(
        default=None,
        validation_alias=AliasChoices("database_url", "DATABASE_URL"),
        description="PostgreSQL or SQLite",
    )
    redis_url: Annotated[str, AfterValidator(check_redis_url)] | None = Field(
        default=None,
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="an external Redis 6.2 or newer",
    )
    lane_lease_s: Annotated[float, Field(ge=1, le=LONGEST_LEASE_S)] = 30.0
    sweep_interval_s: Annotated[float, Field(ge=0.2, le=600)] = 2.0
    # A step of work that shows nothing for this long hangs: a round of a million items takes some minutes at most.
    step_patience_s: Annotated[float, Field(ge=1, le=7 * 86_400)] = 3_600.0
    # A worker that leaves work lying for this long, with database and Redis there, is wedged: sweeps come every few
    # seconds, and a claim takes milliseconds.
    worker_patience_s: Annotated[float, Field(ge=5, le=86_400)] = 300.0
    # A worker that is told to end may finish what takes this long; `up` kills it after 30 s.
    soft_shutdown_s: Annotated[float, Field(ge=0, le=3600)] = 25.0
    # One core is left for the rest: threads of one product wait for the slowest, and an encoder with as many threads
    # as cores gave a tenth of the texts a second while anything else was running.
    compute_threads: Annotated[int, Field(ge=1)] = max(1, (os.cpu_count() or 1) - 1)
    crash_folder: Path | None = Field(default=None, description="for tests alone: see shared.crash_points")
    # Of each item about 200 bytes are kept, and as many as a round's scores take while it runs.
    kept_items: Annotated[int, Field(ge=0, description="most items that a worker keeps in memory between rounds")] = (
        2_000_000
    )
    # A million items were scored no faster by two workers or four than by one: their scores go through Redis.
    shared_items: int = Field(
        default=10_000_000, ge=1, description="items from which on training workers share a round's scores"
    )
    http_host: str = Field(default="127.0.0.1", description="address that the HTTP API listens on")
    http_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="where `quietcorner up` serves the HTTP API; not at all if unset"
    )
    http_rate: Annotated[float, Field(gt=0, le=100_000, description="requests a second of one token")] = 100.0
    dead_letters_kept_days: Annotated[float, Field(gt=0, description="refused messages are forgotten after that")] = 90
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @cached_property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return self.data_dir.expanduser().resolve()

    @property
    def sql_url(self) -> str:
        """The SQLAlchemy URL in force: `DATABASE_URL`, or SQLite in the data folder."""
        url = self.database_url or sqlite_url(self.folder / "quietcorner.db")
        for plain in ("postgres://", "postgresql://"):
            if url.startswith(plain):
                return "postgresql+psycopg://" + url.removeprefix(plain)
        return url

    @property
    def redis_socket(self) -> Path:
        """Unix socket of the embedded Redis, inside a folder that only its owner may enter."""
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        elsewhere = Path(f"quietcorner-{os.getuid()}-{digest}") / "redis.sock"
        places = (self.folder / "redis" / "redis.sock", Path(tempfile.gettempdir()) / elsewhere)
        short = (place for place in places if len(os.fsencode(place)) <= _LONGEST_SOCKET_PATH)
        return next(short, Path("/tmp") / elsewhere)  # nosec B108 # noqa: S108 - its folder's owner is checked when it is made

    @property
    def redis_in_force(self) -> str:
        """The Redis URL in force: `REDIS_URL`, or the embedded server's socket."""
        return self.redis_url or unix_url(self.redis_socket)

    @property
    def broker_url(self) -> str:
        """The same Redis in the spelling that Celery's transport expects."""
        url = self.redis_in_force
        if url.startswith("unix://"):
            return "redis+socket://" + url.removeprefix("unix://")
        if url.startswith("rediss://") and "ssl_cert_reqs=" not in url:
            # kombu takes any certificate unless it is told not to, where redis-py takes none that it can't verify.
            return url + ("&" if "?" in url else "?") + "ssl_cert_reqs=required"
        return url


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ConfigError: a variable holds a value that is not allowed; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(fault) for fault in error.errors())) from error


def _explain(fault: ErrorDetails) -> str:
    """One faulty setting: the variable that it comes from, the value without a password, and what is allowed."""
    name = str(fault["loc"][0])
    variable = name.upper() if name.upper() in _OTHER_VARIABLES else f"{_PREFIX}{name.upper()}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{variable} = {without_password(str(fault['input']))!r}: {message}. Mend this environment variable."
