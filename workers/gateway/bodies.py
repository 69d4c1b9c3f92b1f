"""The bodies of requests and answers, as the OpenAPI document describes them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts import Annotator, Key, ReceiptMessage, TaskMessage

MOST_ROWS = 1_000
MOST_TASKS = 100

# What both kinds of database hold as a row number.
RowNumber = Annotated[int, Field(ge=0, le=2**63 - 1)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SubmissionRow(_Body):
    """One annotator's answer for one item."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "submission_id": "anna-17-1",
                    "item_id": "item-1",
                    "annotator": "anna",
                    "label": "fraud",
                    "assignment": 17,
                    "lease": 1,
                }
            ]
        }
    )

    submission_id: Key = Field(description="chosen by the sender; sending it again does nothing")
    item_id: Key
    annotator: Annotator
    label: str | list[Any] = Field(description="single: a class; multi: classes; ner: spans {start, end, label}")
    assignment: int | None = Field(default=None, description="from the task; null for an answer nobody asked for")
    lease: int | None = Field(default=None, description="from the task")
    project: str | None = Field(default=None, description="may be left out, as the path says it")


class ItemRow(BaseModel):
    """One text for the pool. Fields beside these are ignored, but for the hints that the project's rules read."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "item-1", "text": "I did not make this charge.", "source": "Email"}]}
    )

    text: str = Field(min_length=1, max_length=100_000)
    id: str | int | None = Field(default=None, description="or item_id; derived from the content where both lack")
    source: str | int | None = None
    group: str | int | None = None
    timestamp: str | float | None = Field(default=None, description="ISO 8601, or seconds since 1970")


class SubmissionsReceived(_Body):
    """What became of several submissions; `receipts` has one for each, in their order."""

    accepted: int
    duplicate: int
    refused: int
    receipts: list[ReceiptMessage]


class RefusedRow(_Body):
    """A row that was not taken."""

    row: int = Field(description="its place among the rows, from 0")
    where: str = Field(description="the field that it is about")
    reason: str


class ItemsReceived(_Body):
    """What became of items."""

    added: int
    already_there: int
    refused: list[RefusedRow]


class LeaseRequest(_Body):
    """Who asks for tasks, and for how many."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"annotator": "anna", "most": 5}]})

    annotator: Annotator
    most: int = Field(default=1, ge=1, le=MOST_TASKS)


class Leased(_Body):
    """Tasks that the annotator holds now; none when the queue is empty."""

    tasks: list[TaskMessage]


class Hold(_Body):
    """Who holds a task, and under which lease number."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"annotator": "anna", "lease": 1}]})

    annotator: Annotator
    lease: RowNumber


class Held(_Body):
    """A lease that lasts for another `lease_s` seconds, or none once it was given back."""

    assignment: int
    lease_s: float


class Health(_Body):
    """How the server and what it stands on are: `ready` is whether answers can be stored."""

    status: Literal["ready", "no Redis", "no database"]
    ready: bool
    database: bool
    redis: bool = Field(description="without it no task can be leased; answers are taken as always")
