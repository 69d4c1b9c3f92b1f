"""Running migrations on a connection."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def run(connection: Connection, revision: str) -> None:
    """Bring the schema to a revision, or to the newest, which is `head`, in the connection's transaction.

    Raises:
        CommandError: the schema was made by a migration that is not here.
    """
    command.upgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """Alembic's, for these migrations on a connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
