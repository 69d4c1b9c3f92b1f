"""Routes that tell how a project stands: the same facts as the commands print with --json."""

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path
from sqlmodel import Session

from shared.database import Database
from shared.repository.projects import stored_config
from shared.tokens import Scope
from workers.gateway.faults import RefusedError
from workers.gateway.reception import Desk, Visitor
from workers.reporting.batches import newest_round, read_batch
from workers.reporting.status import read_status

# PostgreSQL keeps the number of a round in four bytes.
Round = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[3])]


# At once: they take seconds of a large project, and whoever sends answers needs a thread and a connection meanwhile.
_MOST_AT_ONCE = 4

Tell = Callable[[Session, Visitor], dict[str, Any]]


def routes(desk: Desk, database: Database) -> APIRouter:
    """The routes, on these connections."""
    router = APIRouter(prefix="/v1/projects/{project}", tags=["reading"])
    anyone = Depends(desk.of_project(*Scope))
    reading = Depends(desk.of_project(Scope.READ))
    places = CapacityLimiter(_MOST_AT_ONCE)

    async def told(visitor: Visitor, tell: Tell) -> dict[str, Any]:
        def read() -> dict[str, Any]:
            with database.read() as session:
                return tell(session, visitor)

        return await to_thread.run_sync(read, limiter=places)

    @router.get("/status", summary="How the project stands")
    async def status(visitor: Annotated[Visitor, anyone]) -> dict[str, Any]:
        """What `quietcorner status NAME --json` prints. A token of any scope will do."""
        return await told(visitor, _status)

    @router.get("/batches/newest", summary="The newest batch")
    async def newest_batch(visitor: Annotated[Visitor, reading]) -> dict[str, Any]:
        """What `quietcorner batch show NAME --json` prints."""
        return await told(visitor, _newest_batch)

    @router.get("/batches/{round}", summary="The batch of a round")
    async def batch(
        visitor: Annotated[Visitor, reading], number: Annotated[Round, Path(alias="round")]
    ) -> dict[str, Any]:
        """What `quietcorner batch show NAME ROUND --json` prints."""
        return await told(visitor, lambda session, _: _batch(session, visitor, number))

    @router.get("/report", summary="The figures of the report")
    async def report(visitor: Annotated[Visitor, reading]) -> dict[str, Any]:
        """What `quietcorner report NAME --json` prints."""
        return await told(visitor, _report)

    return router


def _status(session: Session, visitor: Visitor) -> dict[str, Any]:
    config = stored_config(session, visitor.project_id)
    return read_status(session, visitor.project_id, visitor.project, config)


def _newest_batch(session: Session, visitor: Visitor) -> dict[str, Any]:
    return _batch(session, visitor, newest_round(session, visitor.project_id))


def _report(session: Session, visitor: Visitor) -> dict[str, Any]:
    from workers.reporting.advice import advice
    from workers.reporting.history import read_history
    from workers.reporting.sentences import headline

    config = stored_config(session, visitor.project_id)
    history = read_history(session, visitor.project_id, visitor.project, config)
    return {"in_short": headline(history), "what_next": advice(history), **asdict(history)}


def _batch(session: Session, visitor: Visitor, number: int) -> dict[str, Any]:
    found = read_batch(session, visitor.project_id, number)
    if found is None:
        newest = newest_round(session, visitor.project_id)
        what = f"there is no round {number}; the rounds are 1 to {newest}" if newest else "there is no batch yet"
        raise RefusedError(HTTPStatus.NOT_FOUND, what, where="round", mend="Ask for one that is there.")
    return {"project": visitor.project, **asdict(found)}
