"""Kinds of columns that the tables share, and how constraints are named."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer
from sqlmodel import Field, SQLModel

# SQLite counts up by itself only on INTEGER (64 bits there anyway).
Row = BigInteger().with_variant(Integer(), "sqlite")

# Constraint names are given, so that a migration can name them on every database.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def reference(target: str, **options: Any) -> Any:
    """A column that refers to a row of another table; `options` are those of SQLAlchemy's `Column`."""
    return Field(sa_column=Column(Row, ForeignKey(target), **{"nullable": False, "index": True, **options}))


def own_id() -> Any:
    """The row number, given by the database."""
    return Field(default=None, sa_column=Column(Row, primary_key=True, autoincrement=True))
