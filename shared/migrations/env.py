"""Alembic's entry: runs the migrations on the connection that `shared.database.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

from shared import access_tables, drift_tables, tables

# Imported for their effect: they fill SQLModel.metadata.
assert access_tables and drift_tables and tables  # nosec B101 # noqa: S101, PT018 - says to the linter that they are used

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
context.run_migrations()
