"""The tables of the drift watch: references, windows, campaigns. See `shared.tables`."""

from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from shared.columns import Row, own_id, reference


class DriftReference(SQLModel, table=True):
    """What the incoming text is compared with: fitted on the project's first items, tied to an encoder."""

    project_id: int = reference("project.id", primary_key=True, index=False)
    encoder: str
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """safetensors: see `workers.drift.reference.dump`."""
    through: int = Field(sa_column=Column(Row, nullable=False))
    """`id` of the last item that belongs to the reference."""
    fitted_at: float


class DriftReport(SQLModel, table=True):
    """What one window of new items looks like beside the reference."""

    __table_args__ = (UniqueConstraint("project_id", "window"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    window: int
    first: int = Field(sa_column=Column(Row, nullable=False))
    through: int = Field(sa_column=Column(Row, nullable=False))
    items: int
    level: str
    findings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    made_at: float


class Campaign(SQLModel, table=True):
    """A bounded labeling run that drift started: candidate items by kind, the most telling first."""

    id: int = own_id()
    project_id: int = reference("project.id")
    report: int = reference("driftreport.id", index=False)
    budget: int
    candidates: dict[str, list[int]] = Field(sa_column=Column(JSON, nullable=False))
    """`drift`: new items to label, `relabel`: labeled items to label again; values are `Item.id`."""
    batch: int | None = reference("batch.id", nullable=True, index=False)
    """The batch that carried it; null: not served yet."""
    opened_at: float
