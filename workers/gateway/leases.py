"""Routes by which annotators take tasks, keep them and give them back."""

from http import HTTPStatus
from typing import Annotated, NoReturn

import redis
from fastapi import APIRouter, Depends, Path
from sqlmodel import Session

from shared.database import Database
from shared.repository.projects import stored_config
from shared.tokens import Scope
from workers.gateway import leasing
from workers.gateway.bodies import Held, Hold, Leased, LeaseRequest
from workers.gateway.faults import Answers, Fault, RefusedError
from workers.gateway.reception import Desk, Visitor

Number = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[17])]

_OVER: Answers = {HTTPStatus.CONFLICT.value: {"model": Fault, "description": "The annotator does not hold this lease"}}


def routes(desk: Desk, database: Database, client: redis.Redis) -> APIRouter:
    """The routes, on these connections."""
    router = APIRouter(prefix="/v1/projects/{project}/leases", tags=["leases"])
    annotating = Depends(desk.of_project(Scope.ANNOTATE))

    @router.post("", summary="Take the next tasks", response_model=Leased)
    def take(visitor: Annotated[Visitor, annotating], asked: LeaseRequest) -> Leased:
        """The most wanted tasks first; `tasks` is empty while there are none.

        A task is held for its `lease_s` seconds, and longer where it is renewed. It is nobody else's meanwhile, whether
        they ask over HTTP or on the Redis stream. The tasks of an overlap item go to different ones, if there are.
        """
        tasks = leasing.take(client, database, visitor.project, annotator=asked.annotator, most=asked.most)
        return Leased(tasks=tasks)

    @router.post("/{assignment}/renew", summary="Hold a task for longer", response_model=Held, responses=_OVER)
    def renew(visitor: Annotated[Visitor, annotating], assignment: Number, hold: Hold) -> Held:
        """The lease lasts for another `lease_s` seconds from now. Renew it every third of that."""
        with database.read() as session:
            entry = _entry(session, visitor, assignment, hold)
            lease_s = stored_config(session, visitor.project_id).queue.lease_s
        if not leasing.renew(client, visitor.project, entry, annotator=hold.annotator):
            _over(assignment, hold)
        return Held(assignment=assignment, lease_s=lease_s)

    @router.post("/{assignment}/return", summary="Give a task back", response_model=Held, responses=_OVER)
    def give_back(visitor: Annotated[Visitor, annotating], assignment: Number, hold: Hold) -> Held:
        """It goes to somebody else, under a higher lease number, within seconds."""
        with database.read() as session:
            entry = _entry(session, visitor, assignment, hold)
        if not leasing.give_back(client, visitor.project, entry, annotator=hold.annotator):
            _over(assignment, hold)
        return Held(assignment=assignment, lease_s=0.0)

    return router


def _entry(session: Session, visitor: Visitor, assignment: int, hold: Hold) -> str:
    entry = leasing.entry_of(session, visitor.project_id, assignment=assignment, lease=hold.lease)
    if entry is None:
        _over(assignment, hold)
    return entry


def _over(assignment: int, hold: Hold) -> NoReturn:
    raise RefusedError(
        HTTPStatus.CONFLICT,
        f"{hold.annotator} does not hold assignment {assignment} under lease {hold.lease}",
        where="lease",
        mend="Take another task. An answer that is there already can be sent: it counts, and is marked late.",
    )
