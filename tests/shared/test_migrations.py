"""All migrations, back to the first and forth again, with a project in the tables."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

from shared.database import Database, upgrade
from shared.migrations import revisions
from tests.shared.migrating import migrate
from tests.workers.reporting.example import make_example

# What people gave, and what cannot be made anew from it.
_KEPT = ("project", "item", "submission", "label", "assignment", "batch", "model")


def test_a_project_outlives_the_way_back_to_the_first_migration_and_forth_again(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    make_example(database)
    with database.engine.connect() as connection:
        before = {name: _rows(connection, name) for name in _KEPT}
    assert all(before.values())

    for revision in revisions()[-2::-1]:
        migrate(database, revision)
    with database.engine.connect() as connection:
        oldest = {name: {column["name"] for column in inspect(connection).get_columns(name)} for name in _KEPT}
    upgrade(database)

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), SQLModel.metadata) == []
        for name in _KEPT:
            assert _only(_rows(connection, name), oldest[name]) == _only(before[name], oldest[name])
    database.close()


def _rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    rows = [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]
    return sorted(rows, key=lambda row: str(row.get("id", row.get("item"))))


def _only(rows: list[dict[str, Any]], columns: set[str]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name in columns} for row in rows]
