from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from sqlalchemy import text

from shared.database import Database
from shared.urls import check_database_url, check_redis_url, sqlite_path, sqlite_url, unix_url, without_password

odd_names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)


@given(odd_names)
def test_a_path_comes_back_from_its_url_whatever_it_holds(name: str) -> None:
    path = Path("/data", name, "quietcorner.db")
    assert sqlite_path(check_database_url(sqlite_url(path))) == path
    socket = redis.ConnectionPool.from_url(check_redis_url(unix_url(path))).connection_kwargs["path"]
    assert socket == str(path)
    # As kombu reads the same URL behind Celery's "redis+socket://".
    assert "/" + parse_url(unix_url(path).replace("unix://", "socket://", 1))["virtual_host"] == str(path)


def test_sqlite_writes_the_very_file_that_a_path_names(tmp_path: Path) -> None:
    path = tmp_path / "50%20off #1? @x:y.db"
    database = Database(sqlite_url(path))
    with database.write() as session:
        session.connection().execute(text("CREATE TABLE one (two INTEGER)"))
    database.close()
    assert path.stat().st_size > 0
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%40ss@host:5432/name?sslmode=require",
        "postgres://host/name",
        "postgresql+psycopg:///name?host=/run",
        "sqlite:///here.db",
        "sqlite:////there/here.db",
    ],
)
def test_databases_that_can_be_used_are_left_as_they_are(url: str) -> None:
    assert check_database_url(url) == url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("nonsense", "no PostgreSQL and no SQLite"),
        ("", "no PostgreSQL and no SQLite"),
        ("mysql://host/name", "no PostgreSQL and no SQLite"),
        ("postgresql+asyncpg://host/name", "no PostgreSQL and no SQLite"),
        ("postgresql://host:port/name", "'port'"),
        ("postgresql://host/name?sslmod=require", 'option "sslmod"'),
        ("postgresql://host:70000/name", "range"),
        ("postgresql://[host/name", "IPv6"),
        ("sqlite://", "needs a file"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:here.db", "no PostgreSQL and no SQLite"),
    ],
)
def test_other_databases_are_refused_with_what_is_expected(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){fault}.*sqlite:///PATH is expected"):
        check_database_url(url)


@pytest.mark.parametrize(
    "url",
    ["redis://", "redis://:p%40ss@host:6380/2", "rediss://host?ssl_cert_reqs=none", "unix:///run/redis.sock?db=2"],
)
def test_redis_urls_that_can_be_used_are_left_as_they_are(url: str) -> None:
    assert check_redis_url(url) == url


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("nonsense", "no URL of a Redis"),
        ("http://host", "no URL of a Redis"),
        ("redis:/host", "no URL of a Redis"),
        ("unix://redis.sock", "no socket"),
        ("redis://host:port", "'port'"),
        ("redis://host?bogus=1", "bogus"),
        ("redis://host?db=two", "db"),
        ("rediss://host?ssl_cert_reqs=perhaps", "perhaps"),
    ],
)
def test_other_redis_urls_are_refused_with_what_is_expected(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){fault}.*unix:///PATH is expected"):
        check_redis_url(url)


@given(st.text(st.characters(exclude_characters="/?#[]@:", codec="ascii"), min_size=1).map(quote))
def test_a_password_is_never_shown(password: str) -> None:
    secret = f"secret{password}"
    for url in (
        f"postgresql://user:{secret}@host/name",
        f"redis://:{secret}@host:1/0",
        f"redis://:{secret}:{secret}@{secret}@host",
        f"user:{secret}@host",
        f"postgresql:///name?user=me&password={secret}&host=/run",
    ):
        assert "secret" not in without_password(url)
        assert "***" in without_password(url)


@pytest.mark.parametrize(
    "url", ["redis://host:6379/0", "sqlite:////home/a:b@c/d.db", "postgresql://user@host/name", "nonsense", "unix:///a"]
)
def test_what_holds_no_password_is_shown_as_it_is(url: str) -> None:
    assert without_password(url) == url
