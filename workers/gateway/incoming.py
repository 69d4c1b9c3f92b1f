"""Routes by which items and answers come in."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from shared.contracts import ReceiptMessage
from shared.database import Database
from shared.errors import InvalidInputError
from shared.repository.items import NewItem
from shared.repository.projects import stored_config
from shared.tokens import Scope
from workers.gateway.aftermath import Aftermath
from workers.gateway.answers import read_answer
from workers.gateway.bodies import ItemRow, ItemsReceived, RefusedRow, SubmissionRow, SubmissionsReceived
from workers.gateway.faults import RefusedError, split_reason
from workers.gateway.group_commit import GroupCommit
from workers.gateway.reception import Desk, Visitor, read_rows
from workers.intake.rows import Columns, parse_row
from workers.intake.rules import Rules, hint_columns
from workers.intake.storing import store_items

# So many rows are read on a thread of their own, since reading them would hold up other requests.
_MANY = 20
_MEND = "Mend this field and send it again, a submission under a new submission_id."


def routes(desk: Desk, database: Database, commits: GroupCommit, aftermath: Aftermath) -> APIRouter:
    """The routes, on these connections."""
    router = APIRouter(prefix="/v1/projects/{project}", tags=["incoming"])
    answering = Depends(desk.of_project(Scope.ANNOTATE, Scope.SUBMIT))
    submitting = Depends(desk.of_project(Scope.SUBMIT))

    @router.post(
        "/submissions",
        summary="Send one answer, or several",
        response_model=ReceiptMessage | SubmissionsReceived,
        openapi_extra=_body_of(SubmissionRow),
    )
    async def post_submissions(
        request: Request, visitor: Annotated[Visitor, answering]
    ) -> ReceiptMessage | SubmissionsReceived:
        """Each is durable when the answer comes. One that is sent again under its submission_id counts once.

        An object is one submission, an array several. A bad one of several is refused with a reason that names its
        field, and the rest go on; a bad one alone is answered with 422.
        """
        return await take_answers(commits, visitor, await request.body())

    @router.post(
        "/items",
        summary="Bring one item into the pool, or several",
        response_model=ItemsReceived,
        openapi_extra=_body_of(ItemRow),
    )
    async def post_items(request: Request, visitor: Annotated[Visitor, submitting]) -> ItemsReceived:
        """Items that are there already are left alone, so a request that was cut short is simply repeated."""
        rows, is_one = read_rows(await request.body())
        received = await run_in_threadpool(_take_items, database, visitor.project_id, rows)
        if received.added:
            aftermath.note(visitor.project)
        if is_one and received.refused:
            _refuse(f"{received.refused[0].where}: {received.refused[0].reason}")
        return received

    return router


async def take_answers(commits: GroupCommit, visitor: Visitor, body: bytes) -> ReceiptMessage | SubmissionsReceived:
    """Keep the answers of a request's body; they are durable when this returns.

    Raises:
        RefusedError: the body is none, or its only answer is refused.
    """
    rows, is_one = read_rows(body)
    if len(rows) > _MANY:
        answers = await run_in_threadpool(_read_answers, rows, visitor.project)
    else:
        answers = _read_answers(rows, visitor.project)
    receipts = await commits.post(visitor.project_id, visitor.project, answers)
    if not is_one:
        counts = Counter(receipt.status for receipt in receipts)
        return SubmissionsReceived(
            accepted=counts["accepted"], duplicate=counts["duplicate"], refused=counts["refused"], receipts=receipts
        )
    if receipts[0].status == "refused":
        _refuse(receipts[0].reason or "")
    return receipts[0]


def _read_answers(rows: list[Any], project: str) -> list[Any]:
    return [read_answer(row, project=project) for row in rows]


def _take_items(database: Database, project_id: int, rows: list[Any]) -> ItemsReceived:
    with database.read() as session:
        config = stored_config(session, project_id)
    columns = Columns(hints=hint_columns(config.rules))
    derived: Counter[str] = Counter()
    good: dict[int, NewItem] = {}
    bad: dict[int, str] = {}
    for place, row in enumerate(rows):
        try:
            good[place] = _item(row, columns, derived)
        except InvalidInputError as error:
            bad[place] = str(error)
    added = already_there = 0
    if good:
        stored = store_items(database, project_id, list(good.values()), rules=Rules(config.rules), seed=config.seed)
        added, already_there = stored.added, stored.unchanged
        refused = set(map(id, stored.conflicting))
        conflict = "id: it belongs to another text already; what is stored stands"
        bad |= {place: conflict for place, item in good.items() if id(item) in refused}
    told = [_refused_row(place, bad[place]) for place in sorted(bad)]
    return ItemsReceived(added=added, already_there=already_there, refused=told)


def _item(row: Any, columns: Columns, derived: Counter[str]) -> NewItem:
    if not isinstance(row, dict):
        raise InvalidInputError("body: an object is expected for each item")
    return parse_row(row, columns=columns, derived=derived)


def _refused_row(place: int, reason: str) -> RefusedRow:
    """A reason names its field in front: `field: ...`, `field = ...` or `field is ...`."""
    field = reason.split(maxsplit=1)[0].rstrip(":")
    where, what = split_reason(reason)
    return RefusedRow(row=place, where=field if where == "body" else where, reason=what)


def _refuse(reason: str) -> None:
    where, what = split_reason(reason)
    raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what, where=where, mend=_MEND)


def _body_of(row: type[Any]) -> dict[str, Any]:
    """One row or several, for the OpenAPI document: the body is read by hand, row by row."""
    schema = row.model_json_schema(ref_template="#/components/schemas/{model}")
    several = {"type": "array", "items": schema, "minItems": 1, "maxItems": 1_000}
    example = schema["examples"][0]
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [schema, several]},
                    "examples": {"one": {"value": example}, "several": {"value": [example]}},
                }
            },
        }
    }
