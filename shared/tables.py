"""The tables. The database is the truth; everything in Redis can be rebuilt from here.

Times are seconds since 1970 (UTC) as float, taken from the database's clock. `id` is the database's own row number;
`item_id` and `submission_id` are the names that users and annotation tools see.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from shared.columns import Row, own_id, reference


class Project(SQLModel, table=True):
    """A labeling project; `config` is its validated project file as JSON."""

    id: int = own_id()
    name: str = Field(unique=True)
    config: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    encoder_key: str | None = None
    """Encoder whose vectors are in use; set when its first segment is stored."""
    created_at: float


class Item(SQLModel, table=True):
    """One text of the pool."""

    __table_args__ = (
        UniqueConstraint("project_id", "item_id"),
        Index("ix_item_project_id_normal_key", "project_id", "normal_key"),
    )

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    item_id: str
    text: str
    source: str
    group: str | None = None
    timestamp: float | None = None
    text_key: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Hash of the exact text: finds the item's vector."""
    normal_key: int = Field(sa_column=Column(BigInteger, nullable=False))
    """Hash of the normalised text: equal keys are exact duplicates."""
    duplicate_group: int | None = Field(default=None, sa_column=Column(Row, index=True))
    """`id` of the item that stands for this one's duplicate group; null is a group of its own."""
    draw: float
    """Permanent random number in [0, 1): decides when the item enters the audit sample."""
    fold: int | None = None
    """The part in which the item's family is held out of training; decided when the first of it is labeled."""
    added_at: float


class ItemChange(SQLModel, table=True):
    """Items whose fold or duplicate group became another one: see `shared.repository.item_changes`."""

    __table_args__ = (Index("ix_itemchange_project_id_id", "project_id", "id"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    items: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(n,) int64, little endian: `Item.id`, ascending."""
    changed_at: float


class RuleHit(SQLModel, table=True):
    """A seeding rule hit an item. Those of a rule with a description are not kept: they move with the pool."""

    item: int = reference("item.id", primary_key=True, index=False)
    rule: str = Field(primary_key=True)
    project_id: int = reference("project.id")
    score: float = Field(default=1.0, sa_column=Column(Float, nullable=False, server_default=text("1.0")))
    """1 for keywords and patterns, the value of the item for a hint."""


class Submission(SQLModel, table=True):
    """One annotator's answer, kept for ever as it came."""

    __table_args__ = (UniqueConstraint("project_id", "submission_id"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    submission_id: str
    item: int = reference("item.id")
    annotator: str
    label: Any = Field(sa_column=Column(JSON, nullable=False))
    assignment: int | None = reference("assignment.id", nullable=True)
    late: bool = False
    """The lease under which it was answered had run out."""
    unasked: bool = False
    """The item was never on the annotation queue."""
    received_at: float


class Label(SQLModel, table=True):
    """The answer that stands for an item, resolved from its submissions."""

    item: int = reference("item.id", primary_key=True, index=False)
    project_id: int = reference("project.id")
    value: Any = Field(sa_column=Column(JSON, nullable=False))
    submissions: int
    agreement: float
    updated_at: float


class Model(SQLModel, table=True):
    """A trained model version: arrays with a JSON header, and the metrics found for it later."""

    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    version: int
    encoder: str
    labels: int
    """Labeled items that it was trained on."""
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """safetensors: see `workers.training.model_storage.dump`."""
    metrics: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    trained_at: float


class AuditScorer(SQLModel, table=True):
    """A model by which the pool is divided into bands of the audit sample; those of a project are numbered from 1."""

    project_id: int = reference("project.id", primary_key=True, index=False)
    phase: int = Field(primary_key=True)
    encoder: str
    arrays: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """safetensors: see `workers.training.bands.dump`."""
    made_at: float


class AuditBands(SQLModel, table=True):
    """The bands into which the scorers of a project put a run of items."""

    id: int = own_id()
    project_id: int = reference("project.id")
    items: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(n,) int64, little endian: `Item.id`, ascending."""
    codes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(n,) int32, little endian: see `workers.training.bands`."""


class ReviewState(StrEnum):
    """What a person said of an augmented text, or that nobody was asked."""

    UNASKED = "unasked"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class AugmentedText(SQLModel, table=True):
    """A text made from a labeled item by a recipe. It teaches, and is never an item of the pool."""

    __table_args__ = (UniqueConstraint("project_id", "parent", "recipe", "text_key"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    parent: int = reference("item.id")
    recipe: str
    text: str
    text_key: int = Field(sa_column=Column(BigInteger, nullable=False))
    review: str = ReviewState.UNASKED
    reviewer: str | None = None
    made_at: float
    reviewed_at: float | None = None


class Batch(SQLModel, table=True):
    """The items chosen by one round."""

    __table_args__ = (UniqueConstraint("project_id", "round"),)

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    round: int
    model: int | None = reference("model.id", nullable=True, index=False)
    seed: int
    submissions_seen: int
    """Submissions of the project that this round knew of."""
    wanted: int
    chosen: int
    shortfalls: list[str] = Field(sa_column=Column(JSON, nullable=False))
    """Why the batch is short, if it is: the caps and limits that bound it."""
    audit: dict[str, float] = Field(sa_column=Column(JSON, nullable=False))
    """Audit threshold by stratum: an item is in the audit sample when its draw lies below its stratum's."""
    division: dict[str, int] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    """Places that each channel was given."""
    done: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]"))
    """Classes that got no places, since enough of them is found."""
    stopping: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}"))
    """Class -> what speaks for its being done or against it: see `workers.selection.stopping.Evidence`."""
    train_s: float
    select_s: float
    selected_at: float


class AssignmentState(StrEnum):
    """An assignment is open until answered or withdrawn."""

    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Assignment(SQLModel, table=True):
    """One item of a batch handed to the annotation queue.

    `lease` is the fencing token: it grows with each time the assignment is put on the queue, so an answer that
    carries an older one is known to be late.
    """

    __table_args__ = (
        Index(
            "uq_assignment_item_slot_open",
            "item",
            "slot",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_assignment_project_id_state", "project_id", "state"),
    )

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    batch: int = reference("batch.id")
    item: int = reference("item.id")
    slot: int = 0
    rank: int
    reason: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: str = AssignmentState.OPEN
    lease: int = 0
    stream_id: str | None = None
    """Entry on the tasks stream; null: not on the queue yet."""
    annotator: str | None = None
    leased_until: float | None = None
    closed_at: float | None = None


class VectorSegment(SQLModel, table=True):
    """An immutable run of vectors of one project and encoder."""

    __table_args__ = (Index("ix_vectorsegment_space_encoder", "space", "encoder"),)

    id: int = own_id()
    space: str
    encoder: str
    count: int
    dimension: int
    keys: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(count,) int64, little endian: text keys."""
    vectors: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """(count, dimension) float16, little endian, unit length."""


class SegmentMark(SQLModel, table=True):
    """What tells a segment from every other one, in whatever database: row numbers and sizes may be the same.

    It stands apart, since SQLite reads past all vectors of a row to come to a column that was added behind them.
    """

    segment: int = reference("vectorsegment.id", primary_key=True, index=False)
    mark: str


class Lane(SQLModel, table=True):
    """The right to work on one thing of one project: see `shared.lanes`."""

    project_id: int = reference("project.id", primary_key=True, index=False)
    room: str = Field(primary_key=True)
    requested: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    completed: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    owner: str | None = None
    until: float | None = None
    token: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, default=0))
    attempts: int = 0
    error: str | None = None
    secret: str | None = None
    """Of the last claim: what its holder shares over Redis is proven by it."""


class OutboxEvent(SQLModel, table=True):
    """An event, written in the transaction of its effect and published afterwards."""

    __table_args__ = (
        Index(
            "ix_outboxevent_unpublished",
            "id",
            sqlite_where=text("published_at IS NULL"),
            postgresql_where=text("published_at IS NULL"),
        ),
        Index(
            "ix_outboxevent_published_at",
            "published_at",
            sqlite_where=text("published_at IS NOT NULL"),
            postgresql_where=text("published_at IS NOT NULL"),
        ),
    )

    id: int = own_id()
    project_id: int = reference("project.id", index=False)
    event: str
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: float
    published_at: float | None = None


class DeadLetter(SQLModel, table=True):
    """A message that could not be taken, with the reason."""

    id: int = own_id()
    origin: str
    project: str | None = None
    payload: str
    reason: str
    received_at: float = Field(index=True)
