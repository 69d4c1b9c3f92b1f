"""Bringing a database to any migration, as an update or a way back does."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared import migrations
from shared.database import Database


def revisions() -> list[str]:
    """All migrations, from the first to the newest."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def migrate(database: Database, revision: str) -> None:
    """Up from nothing, or down from wherever the database is."""
    config = _config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        made = MigrationContext.configure(connection).get_current_revision()
        (command.downgrade if made else command.upgrade)(config, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config
