"""Bringing a database to any migration, as an update or a way back does."""

from alembic import command

from shared.database import Database, schema_revision
from shared.migrations.running import configuration


def migrate(database: Database, revision: str) -> None:
    """Up from nothing, or down from wherever the database is."""
    with database.engine.begin() as connection:
        made = schema_revision(connection)
        (command.downgrade if made else command.upgrade)(configuration(connection), revision)
