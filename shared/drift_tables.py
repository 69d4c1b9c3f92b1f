"""The tables of the drift watch: references, windows, alarms, campaigns. See `shared.tables`."""

from typing import Any

from sqlalchemy import JSON, Column, Index, Integer, LargeBinary, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from shared.campaigns import Origin, State
from shared.columns import Row, own_id, reference


class DriftReference(SQLModel, table=True):
    """What the incoming text is compared with: fitted on items of the project, tied to an encoder, never changed.

    The highest version is in force. A new one is made by a person's decision, or when the encoder changes.
    """

    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    version: int
    """Those of a project are numbered from 1."""
    encoder: str
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """safetensors: see `workers.drift.reference.dump`."""
    through: int = Field(sa_column=Column(Row, nullable=False))
    """All items up to this row number are not watched beside this reference: the windows begin after them."""
    partly_through: int = Field(sa_column=Column(Row, nullable=False))
    """Nor are those up to this one that are of a time before `until`, or of any time where that is null."""
    until: float | None = None
    why: str
    """Who or what asked for it, in words."""
    fitted_at: float


class DriftReport(SQLModel, table=True):
    """What one window of new items looks like beside the reference, and where the watch stands after it.

    All items up to row number `settled` have been watched, and of those up to `through` the ones before `until`.
    """

    __table_args__ = (UniqueConstraint("project_id", "window"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    window: int
    reference: int = Field(sa_column=Column(Integer, nullable=False, server_default=text("1")))
    """Version of the reference."""
    first: int = Field(sa_column=Column(Row, nullable=False))
    through: int = Field(sa_column=Column(Row, nullable=False))
    settled: int = Field(sa_column=Column(Row, nullable=False))
    since: float | None = None
    """Begin of a window by time; null: a window by count."""
    until: float | None = None
    """End of a window by time, which is not part of it; a window by count keeps the one before it until no item that
    came up to `through` is left."""
    items: int
    level: str
    findings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """See `workers.drift.watch.WatchState`; null in reports made before there was one."""
    made_at: float


class DriftAlarm(SQLModel, table=True):
    """Something drifted, from the window in which it was noticed until it is over. One is live a channel and scope."""

    __table_args__ = (
        Index(
            "uq_driftalarm_live",
            "project_id",
            "channel",
            "scope",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: int = own_id()
    project_id: int = reference("project.id")
    channel: str
    """What was watched, as `novelty`, `sources` or `performance`."""
    scope: str
    """The part of it that drifted, as a text statistic, a source or a class; empty for the whole."""
    level: str
    """The highest so far."""
    share: float
    """Affected share of the items when it was raised, or when it last grew."""
    why: str
    """One sentence for a person."""
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    report: int | None = reference("driftreport.id", nullable=True, index=False)
    """The window in which it was noticed; null where no window of items raised it."""
    opened_at: float
    closed_at: float | None = None
    end_reason: str | None = None
    acknowledged_at: float | None = None
    acknowledged_why: str | None = None


class Campaign(SQLModel, table=True):
    """A bounded labeling run that drift, doubt or a person started: candidate items by kind, the most telling first."""

    id: int = own_id()
    project_id: int = reference("project.id")
    report: int | None = reference("driftreport.id", nullable=True, index=False)
    """The window that called for it; null: no window did."""
    origin: str = Field(default=Origin.DRIFT, sa_column=Column(String, nullable=False, server_default=Origin.DRIFT))
    why: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    """The reason in words."""
    state: str = Field(default=State.RUNNING, sa_column=Column(String, nullable=False, server_default=State.RUNNING))
    budget: int
    """Most items that batches may hold of it."""
    candidates: dict[str, list[int]] = Field(sa_column=Column(JSON, nullable=False))
    """`Item.id` by kind: see `shared.campaigns.CHANNELS`."""
    affected: list[int] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    near: float | None = None
    audit: dict[str, float] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    """These three: see `shared.campaigns.Region`."""
    model: int | None = reference("model.id", nullable=True, index=False)
    """The newest model when it started: what it is compared with at the end."""
    opened_at: float
    started_at: float | None = None
    ended_at: float | None = None
    end_reason: str | None = None
    outcome: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """Figures of before and after: see `workers.drift.outcome`."""


class CampaignBatch(SQLModel, table=True):
    """A batch that holds items of a campaign."""

    campaign: int = reference("campaign.id", primary_key=True, index=False)
    batch: int = reference("batch.id", primary_key=True, index=True)


class LabelDoubt(SQLModel, table=True):
    """A label that may no longer hold, until an answer comes that is newer than the doubt."""

    item: int = reference("item.id", primary_key=True, index=False)
    project_id: int = reference("project.id")
    why: str
    since: float


class FreshLabels(SQLModel, table=True):
    """What the audit sample's answers say of a model version, and where the watch over labels stands after it."""

    __table_args__ = (UniqueConstraint("project_id", "number"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    number: int
    """Reports of a project are numbered from 1."""
    model: int
    """Version of the model."""
    began: int
    """Number of the report that set the levels which this one is held against: its own where it set them."""
    items: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(n,) int64, little endian: `Item.id` of the answered audit items that no earlier report since `began` saw."""
    level: str
    findings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """See `workers.drift.label_watch.Look`."""
    state: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """See `workers.drift.label_watch.Standing`."""
    made_at: float


class DriftHeldOut(SQLModel, table=True):
    """What models that did not see the label of an item of the reference say of it, for the newest model and reference.

    Only the newest of a project is kept; it can always be computed anew.
    """

    project_id: int = reference("project.id", primary_key=True, index=False)
    model: int
    """Version of the model that stands beside them."""
    reference: int
    """Version of the reference."""
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """safetensors: see `workers.drift.held_out.dump`."""
