"""Alembic's entry: runs the migrations on the connection that `shared.database.upgrade` hands over."""

from alembic import context
from sqlmodel import SQLModel

from shared import tables

assert tables  # noqa: S101 - imported for its effect: it fills SQLModel.metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,
)
context.run_migrations()
