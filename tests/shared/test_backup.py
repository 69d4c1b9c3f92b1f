"""Backups: of one moment, whole or not there, and good for either kind of database."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, func, select, text
from sqlmodel import SQLModel, col
from sqlmodel import select as pick

from shared import backup, database
from shared.backup import Manifest, read_manifest, restore_backup, write_backup
from shared.database import Database
from shared.errors import DatabaseUnavailableError, InvalidInputError
from shared.tables import Item, Project
from tests.shared.migrating import migrate
from tests.workers.reporting.example import add_items, make_example, make_project


def _ignore(_table: str, _done: int, _of: int) -> None:
    pass


def _rows(opened: Database) -> dict[str, list[tuple[Any, ...]]]:
    with opened.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in SQLModel.metadata.sorted_tables
        }


def _absent(opened: Database) -> dict[tuple[str, str], int]:
    """Rows with NULL, by table and column of JSON that may be NULL."""
    with opened.engine.connect() as connection:
        return {
            (table.name, column.name): connection.execute(
                select(func.count()).select_from(table).where(column.is_(None))
            ).scalar_one()
            for table in SQLModel.metadata.sorted_tables
            for column in table.columns
            if isinstance(column.type, JSON) and column.nullable
        }


@pytest.fixture
def file(database: Database, tmp_path: Path) -> Path:
    """A backup of a project some way into its life."""
    make_example(database)
    write_backup(database, tmp_path / "copy.zip", advance=_ignore)
    return tmp_path / "copy.zip"


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    opened = Database(f"sqlite:///{tmp_path / 'old.db'}")
    database.upgrade(opened)
    return opened


@pytest.fixture
def sqlite_file(sqlite: Database, tmp_path: Path) -> Path:
    make_example(sqlite)
    write_backup(sqlite, tmp_path / "copy.zip", advance=_ignore)
    return tmp_path / "copy.zip"


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'new.db'}")


def test_every_row_comes_back_on_the_other_kind_of_database_too(
    database: Database, file: Path, empty: Database, tmp_path: Path
) -> None:
    manifest = restore_backup(empty, file, advance=_ignore)
    assert manifest.rows == sum(map(len, _rows(database).values())) > 40
    assert _rows(empty) == _rows(database)
    write_backup(empty, tmp_path / "again.zip", advance=_ignore)
    assert [part.sha256 for part in read_manifest(tmp_path / "again.zip").parts] == [
        part.sha256 for part in manifest.parts
    ]


def test_what_is_not_there_is_restored_as_nothing_and_not_as_the_null_of_json(
    database_url: str, sqlite: Database, sqlite_file: Path
) -> None:
    restored = Database(database_url)
    restore_backup(restored, sqlite_file, advance=_ignore)
    assert _absent(restored) == _absent(sqlite)
    assert any(_absent(sqlite).values())
    restored.close()


def test_an_update_mends_what_was_restored_as_the_null_of_json(database_url: str) -> None:
    restored = Database(database_url)
    database.upgrade(restored)
    make_example(restored)
    before = _absent(restored)
    with restored.engine.begin() as connection:
        for table, column in before:
            connection.execute(text(f"UPDATE {table} SET {column} = 'null' WHERE {column} IS NULL"))
    assert not any(_absent(restored).values())
    migrate(restored, "0013")
    database.upgrade(restored)
    assert _absent(restored) == before
    restored.close()


def test_what_is_restored_goes_on_with_new_row_numbers(database_url: str, tmp_path: Path, empty: Database) -> None:
    database.upgrade(empty)
    project = make_project(empty)
    add_items(empty, project.id, [("one", "mail"), ("two", "chat")])
    write_backup(empty, tmp_path / "copy.zip", advance=_ignore)
    restored = Database(database_url)
    restore_backup(restored, tmp_path / "copy.zip", advance=_ignore)
    add_items(restored, project.id, [("three", "mail")], first=3)
    with restored.read() as session:
        assert session.exec(pick(Item.item_id, Item.text).order_by(col(Item.id))).all() == [
            *(("item-1", "one"), ("item-2", "two"), ("item-3", "three"))
        ]
    restored.close()


def test_a_backup_is_of_one_moment_though_others_write_meanwhile(
    database: Database, tmp_path: Path, empty: Database
) -> None:
    project = make_project(database)
    add_items(database, project.id, [("before", "mail")])
    others = iter([("meanwhile", "mail")])

    def write_beside(_table: str, _done: int, _of: int) -> None:
        if other := next(others, None):
            add_items(database, project.id, [other], first=2)

    write_backup(database, tmp_path / "copy.zip", advance=write_beside)
    restore_backup(empty, tmp_path / "copy.zip", advance=_ignore)
    assert [row.text for row in _items(empty)] == ["before"]
    assert [row.text for row in _items(database)] == ["before", "meanwhile"]


def test_a_database_of_an_older_schema_is_copied_as_it_is_and_restored_up_to_date(
    database_url: str, tmp_path: Path, empty: Database
) -> None:
    old = Database(database_url)
    database.upgrade(old, "0004")
    with old.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO project (id, name, config, created_at) VALUES (3, 'p', '{\"a\": null}', 0.5)")
        )
    assert write_backup(old, tmp_path / "copy.zip", advance=_ignore).revision == "0004"
    old.close()
    restore_backup(empty, tmp_path / "copy.zip", advance=_ignore)
    with empty.read() as session:
        assert [(row.id, row.config) for row in session.exec(pick(Project))] == [(3, {"a": None})]
    assert _rows(empty)["campaign"] == []  # all tables of today can be read


def test_a_database_made_by_another_version_takes_no_older_backup(sqlite_file: Path, tmp_path: Path) -> None:
    _as_if_written(sqlite_file, lambda manifest: {**manifest, "revision": "0004"})
    newer = Database(f"sqlite:///{tmp_path / 'newer.db'}")
    database.upgrade(newer)
    with pytest.raises(InvalidInputError, match="the backup is of schema 0004"):
        restore_backup(newer, sqlite_file, advance=_ignore)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 99}, "format 99"),
        ({"parts": [{"table": "item"}]}, "no sound manifest"),
        ({"revision": "9999"}, "9999"),
    ],
)
def test_what_this_version_can_not_read_is_refused(
    sqlite_file: Path, empty: Database, change: dict[str, Any], says: str
) -> None:
    _as_if_written(sqlite_file, lambda manifest: {**manifest, **change})
    with pytest.raises((InvalidInputError, DatabaseUnavailableError), match=says):
        restore_backup(empty, sqlite_file, advance=_ignore)


def test_a_damaged_backup_is_refused_before_a_row_is_written(
    sqlite_file: Path, empty: Database, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.zip"
    with zipfile.ZipFile(sqlite_file) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data[:-9] + b"\0" * 9 if name == "item.parquet" else data)
    with pytest.raises(InvalidInputError, match="table item is not as it was written"):
        restore_backup(empty, damaged, advance=_ignore)
    database.upgrade(empty)
    assert _items(empty) == []


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_backup_is_named(content: bytes | None, empty: Database, tmp_path: Path) -> None:
    file = tmp_path / "some.zip"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"some\.zip: can't be read as a backup"):
        restore_backup(empty, file, advance=_ignore)


def test_nothing_is_restored_over_what_is_there(database: Database, file: Path) -> None:
    before = _rows(database)
    with pytest.raises(InvalidInputError, match="not empty: table"):
        restore_backup(database, file, advance=_ignore)
    assert _rows(database) == before


def test_a_backup_is_for_its_owner_alone_and_is_not_there_by_halves(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(sqlite)
    write_backup(sqlite, tmp_path / "copy.zip", advance=_ignore)
    assert (tmp_path / "copy.zip").stat().st_mode & 0o777 == 0o600

    def fail(*_given: object) -> Manifest:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_write_all", fail)
    with pytest.raises(InvalidInputError, match="No space left on device"):
        write_backup(sqlite, tmp_path / "copy.zip", advance=_ignore)
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["copy.zip"]
    assert read_manifest(tmp_path / "copy.zip").rows


def _items(opened: Database) -> list[Item]:
    with opened.read() as session:
        return list(session.exec(pick(Item).order_by(col(Item.id))))


def _as_if_written(file: Path, change: Any) -> None:
    """Write the manifest of a backup anew."""
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["manifest.json"] = json.dumps(change(json.loads(members["manifest.json"]))).encode()
    with zipfile.ZipFile(file, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)


def test_without_a_database_there_is_nothing_to_copy(empty: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no database yet"):
        write_backup(empty, tmp_path / "copy.zip", advance=_ignore)
    assert not list(tmp_path.glob("*.zip*"))
