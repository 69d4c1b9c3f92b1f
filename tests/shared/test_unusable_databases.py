"""A database that can't be used is an error in words, on which nothing was changed."""

from pathlib import Path

import pytest
from sqlalchemy import text

from shared.database import Database, open_database
from shared.errors import DatabaseUnavailableError
from shared.settings import Settings
from shared.urls import sqlite_url


def test_a_file_that_is_no_database_is_named_and_left_alone(settings: Settings, tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"this is no database " * 500)
    with pytest.raises(DatabaseUnavailableError, match=r"junk\.db: file is not a database\."):
        open_database(settings.model_copy(update={"database_url": sqlite_url(junk)}))
    assert junk.read_bytes() == b"this is no database " * 500


def test_a_database_of_a_newer_version_is_refused_with_what_to_do(
    database: Database, database_url: str, settings: Settings
) -> None:
    with database.write() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailableError, match="newer version of Quiet Corner"):
        open_database(settings.model_copy(update={"database_url": database_url}))


def test_an_option_that_the_driver_does_not_know_is_named(settings: Settings) -> None:
    url = "postgresql://someone:secret@127.0.0.1:1/nothing?bogus=1"
    with pytest.raises(DatabaseUnavailableError, match="bogus") as raised:
        open_database(settings.model_copy(update={"database_url": url}))
    assert "secret" not in str(raised.value)
