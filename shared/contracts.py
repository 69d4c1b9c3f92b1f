"""The wire contracts of the annotation queue: what stands on the Redis streams.

Each stream entry carries CloudEvents 1.0 attributes as fields and the payload as JSON in `data`. The JSON Schemas in
`docs/schemas/` are generated from the models here. A breaking change gets a new `type`, beside the old one.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInputError

TASK_TYPE = "quietcorner.task.v1"
SUBMISSION_TYPE = "quietcorner.submission.v1"
RECEIPT_TYPE = "quietcorner.receipt.v1"
SOURCE = "quietcorner"

# The label of one item; far more than any annotator sends.
LONGEST_DATA = 1_000_000
_LABEL_FORMS = 'a class is expected, or a list of classes (task = "multi") or of spans (task = "ner")'

Key = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Annotator = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._@-]+$")]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(_Message):
    """Why an item was chosen."""

    channel: str = Field(description="rule, coverage, boundary, anchor, likely, audit, drift or relabel")
    score: float | None = Field(description="the channel's own score; higher is more wanted")
    rank: int = Field(ge=1, description="place in the batch")
    cluster: int | None = Field(description="cluster among the round's candidates")
    predicted: str | None = Field(description="most probable class; null before the first model")
    probability: float | None = Field(description="probability of that class")
    wanted: str | None = Field(default=None, description="class that it was chosen for; null for none in particular")
    rules: list[str] = Field(description="seeding rules that hit the item")
    inclusion: float | None = Field(description="audit channel: probability with which the item was drawn")
    rare: bool = Field(default=False, description="likely of a rare class: such items are spread over the ranks")
    overlap: int = Field(default=1, ge=1, description="annotators who are asked about it; more than 1: an overlap item")
    model: int | None = Field(description="model version that scored the item")
    encoder: str
    seed: int


class TaskMessage(_Message):
    """Out, on the tasks stream: please label this item."""

    project: Key
    assignment: int
    lease: int = Field(description="send it back with the answer; it grows each time the assignment is queued anew")
    lease_s: float = Field(description="seconds that the assignment may be held without renewal")
    item_id: Key
    text: str
    source: str
    task: Literal["single", "multi", "ner"]
    classes: list[str]
    batch: int
    reason: Reason


class SubmissionMessage(_Message):
    """In, on the submissions stream: one annotator's answer for one item."""

    project: Key
    submission_id: Key = Field(description="chosen by the sender; sending it again does nothing")
    item_id: Key
    annotator: Annotator
    label: str | list[Any] = Field(description="single: a class; multi: classes; ner: spans {start, end, label}")
    assignment: int | None = Field(default=None, description="from the task; null for an answer nobody asked for")
    lease: int | None = Field(default=None, description="from the task")


class ReceiptMessage(_Message):
    """Out, on the sender's receipts stream: the submission is durable, or refused."""

    submission_id: str | None
    status: Literal["accepted", "duplicate", "refused"]
    late: bool = Field(default=False, description="accepted, though the lease had run out")
    unasked: bool = Field(default=False, description="accepted, though the item was never queued")
    reason: str | None = Field(default=None, description="why it was refused")


def pack(*, type_: str, id_: str, data: BaseModel, source: str = SOURCE) -> dict[Any, Any]:
    """The fields of one stream entry, texts by name (typed as redis-py's clients take them)."""
    return {"specversion": "1.0", "type": type_, "source": source, "id": id_, "data": data.model_dump_json()}


def unpack_submission(fields: dict[bytes, bytes]) -> SubmissionMessage:
    """Read one entry of the submissions stream.

    Raises:
        InvalidInputError: names the field that is missing or wrong.
    """
    type_ = fields.get(b"type", b"").decode(errors="replace")
    if type_ != SUBMISSION_TYPE:
        raise InvalidInputError(f"field type = {type_!r}: {SUBMISSION_TYPE!r} is expected")
    data = fields.get(b"data")
    if data is None:
        raise InvalidInputError("field data is missing: the submission as JSON is expected")
    return parse_submission(data)


def parse_submission(data: bytes) -> SubmissionMessage:
    """Read a submission from JSON. Raises `InvalidInputError` that names the field."""
    if len(data) > LONGEST_DATA:
        raise InvalidInputError(f"data is {len(data):,} bytes; {LONGEST_DATA:,} at most")
    try:
        return SubmissionMessage.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"]) or "data"
        if fault["loc"][:1] == ("label",):  # one of several forms, of which Pydantic tells as many faults
            raise InvalidInputError(f"label: {_LABEL_FORMS}") from error
        raise InvalidInputError(f"{place}: {fault['msg']}") from error


SCHEMAS: dict[str, type[BaseModel]] = {
    TASK_TYPE: TaskMessage,
    SUBMISSION_TYPE: SubmissionMessage,
    RECEIPT_TYPE: ReceiptMessage,
}
