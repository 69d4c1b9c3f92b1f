"""Alembic's entry: runs the migrations on the connection that `shared.database.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

from shared import drift_tables, tables

assert tables and drift_tables  # noqa: S101, PT018 - imported for their effect: they fill SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
context.run_migrations()
