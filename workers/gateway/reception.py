"""Reception: what every route needs of a request. Who sends it, which project it is about, and what it holds."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Path, Request
from fastapi.security import HTTPBearer
from sqlmodel import col, select
from starlette.concurrency import run_in_threadpool

from shared.database import Database
from shared.tables import Project
from shared.tokens import Scope
from workers.gateway.bodies import MOST_ROWS
from workers.gateway.faults import RefusedError
from workers.gateway.keyring import Keyring

_LONGEST_NAME = 64

# Says in the OpenAPI document that a token is needed; `Desk` is what looks at it.
BEARER = HTTPBearer(auto_error=False, description="a token that `quietcorner token create` made")


@dataclass(frozen=True)
class Visitor:
    """A request whose token opens the project that its path names."""

    project_id: int
    project: str


class Desk:
    """Lets requests in by their token."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        """Know where tokens and projects are."""
        self._database, self._keyring = database, keyring
        self._known: dict[str, int] = {}  # a project is never deleted, and keeps its number

    async def admit_to_all(self, request: Request, *scopes: Scope) -> None:
        """Let in a token that opens all projects."""
        if await self._admit(request, *scopes) is not None:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "this token opens one project only, and this tells of all",
                where="Authorization",
                mend="Use a token made without --project.",
            )

    async def _admit(self, request: Request, *scopes: Scope) -> int | None:
        """Check the token; returns the number of the only project that it opens, None for all."""
        header = request.headers.get("Authorization")
        if self._keyring.is_stale_for(header):
            await run_in_threadpool(self._keyring.refresh)
        return self._keyring.open(header, scopes).project_id

    def of_project(self, *scopes: Scope) -> Callable[..., Coroutine[Any, Any, Visitor]]:
        """A dependency that admits a request to the project in its path, with a token of one of the scopes."""

        async def admitted(request: Request, project: str = Path(examples=["tickets"])) -> Visitor:
            return await self.visit(request, project, *scopes)

        return admitted

    async def visit(self, request: Request, project: str, *scopes: Scope) -> Visitor:
        """Admit a request to a project, with a token of one of the scopes."""
        only = await self._admit(request, *scopes)
        number = self._known.get(project)
        if number is None and _may_be_a_name(project):
            number = await run_in_threadpool(self._look_up, project)
        if number is None or only not in (None, number):
            _no_project(project)
        return Visitor(number, project)

    def _look_up(self, project: str) -> int | None:
        with self._database.read() as session:
            number = session.exec(select(Project.id).where(col(Project.name) == project)).one_or_none()
        if number is not None:
            self._known[project] = number
        return number


def read_rows(body: bytes) -> tuple[list[Any], bool]:
    """The rows of a body, and whether it was one object, which is one row; an array is several.

    Raises:
        RefusedError: 400 for what is no JSON, 422 for any other shape.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:  # a number of too many digits is not a JSONDecodeError
        told = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        _refuse_body(HTTPStatus.BAD_REQUEST, f"not valid JSON: {told}")
    if isinstance(value, dict):
        return [value], True
    if not isinstance(value, list):
        _refuse_body(HTTPStatus.UNPROCESSABLE_ENTITY, "an object, or an array of objects, is expected")
    if not value or len(value) > MOST_ROWS:
        _refuse_body(HTTPStatus.UNPROCESSABLE_ENTITY, f"{len(value):,} rows; 1 to {MOST_ROWS:,} are expected")
    return value, False


def _may_be_a_name(project: str) -> bool:
    return len(project) <= _LONGEST_NAME and project.isascii() and project.isprintable()


def _no_project(project: str) -> NoReturn:
    # The same words whether it does not exist or the token does not open it: nobody can try out names.
    raise RefusedError(
        HTTPStatus.NOT_FOUND,
        f"this token opens no project {project[:_LONGEST_NAME]!r}",
        where="path",
        mend="`quietcorner project list` has the names, `quietcorner token list` what a token opens.",
    )


def _refuse_body(status: HTTPStatus, what: str) -> NoReturn:
    raise RefusedError(status, what, where="body", mend="Send one JSON object, or an array of some.")
