"""The tables of access: tokens of the HTTP API, and who changed what. See `shared.tables`."""

from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, SQLModel

from shared.columns import own_id, reference


class Token(SQLModel, table=True):
    """The right to use the HTTP API, held by whoever knows its secret. The secret itself is not kept."""

    id: int = own_id()
    name: str
    """Whom it was made for, in words."""
    digest: str
    """SHA-256 of the secret, in hexadecimal: see `shared.tokens`."""
    scopes: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """See `shared.tokens.Scope`."""
    project_id: int | None = reference("project.id", nullable=True, index=False)
    """The only project that it opens; null: all of them."""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None


class RecordedChange(SQLModel, table=True):
    """What a person changed, or somebody in a person's name; kept for ever."""

    id: int = own_id()
    project: str | None = Field(default=None, index=True)
    """Name of the project; null: it concerns all."""
    who: str
    what: str
    """A dotted name, as `project.updated`: see `shared.repository.history.What`."""
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    at: float
