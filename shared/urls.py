"""URLs of databases and of Redis: checked, made from paths and turned back into them, and shown without passwords."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

_SQLITE = "sqlite:///"
_DATABASES = ("postgresql", "postgres", "postgresql+psycopg", "sqlite")
_DATABASE_FORMS = "postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH is expected"
_REDIS_FORMS = "redis://HOST:PORT/NUMBER, rediss://... or unix:///PATH is expected"


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite database; a path may hold any character."""
    return _SQLITE + quote(str(path))


def sqlite_path(url: str) -> Path:
    """The file that an SQLite URL names."""
    return Path(unquote(url.removeprefix(_SQLITE).partition("?")[0]))


def unix_url(path: Path) -> str:
    """The URL of a Redis that listens on a unix socket; a path may hold any character."""
    return "unix://" + quote(str(path))


def check_database_url(url: str) -> str:
    """The URL itself, if it names a database that Quiet Corner can use. Connects to nothing.

    Raises:
        ValueError: says what is wrong with it and what is expected.
    """
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in _DATABASES:
        raise ValueError(f"this names no PostgreSQL and no SQLite database; {_DATABASE_FORMS}")
    if scheme == "sqlite":
        if not url.startswith(_SQLITE) or str(sqlite_path(url)) in (".", ":memory:"):
            raise ValueError(f"SQLite needs a file, since several processes share it; {_DATABASE_FORMS}")
        return url
    _check_port(url, _DATABASE_FORMS)
    _check_options(url)
    return url


def check_redis_url(url: str) -> str:
    """The URL itself, if redis-py can make a connection of it. Connects to nothing.

    Raises:
        ValueError: says what is wrong with it and what is expected.
    """
    import redis

    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError(f"this is no URL of a Redis; {_REDIS_FORMS}")
    if url.startswith("unix://") and not urlsplit(url).path.startswith("/"):
        raise ValueError(f"this names no socket; {_REDIS_FORMS}")
    _check_port(url, _REDIS_FORMS)
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError, redis.RedisError) as error:  # an option that it doesn't know, or can't read
        raise ValueError(f"{error}; {_REDIS_FORMS}") from error
    return url


def without_password(url: str) -> str:
    """A URL fit for logs and screens: the password, if any, is masked, also where it is no proper URL."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    credentials, at, place = rest.rpartition("@")
    if at and ":" in credentials and not rest.startswith("/"):  # a path has no password in front
        rest = f"{credentials.partition(':')[0]}:***@{place}"
    return scheme + separator + re.sub(r"([?&]password=)[^&]*", r"\1***", rest)


def _check_options(url: str) -> None:
    import psycopg
    from psycopg.conninfo import make_conninfo

    try:
        make_conninfo("", **dict(parse_qsl(urlsplit(url).query)))
    except psycopg.ProgrammingError as error:  # an option that PostgreSQL doesn't know
        raise ValueError(f"{error}; {_DATABASE_FORMS}") from error


def _check_port(url: str, forms: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"{error}; {forms}") from error
