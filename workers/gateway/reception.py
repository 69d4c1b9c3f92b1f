"""Reception: what every route needs of a request. Who sends it, which project it is about, and what it holds."""

import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from anyio import CapacityLimiter, to_thread
from fastapi import Path, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from shared.repository.projects import ProjectNumbers
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

    def __init__(self, numbers: ProjectNumbers, keyring: Keyring) -> None:
        """Know where tokens and projects are."""
        self._numbers, self._keyring = numbers, keyring
        self._refreshing = CapacityLimiter(1)

    async def admit_to_all(self, request: Request, *scopes: Scope) -> None:
        """Let in a token that opens all projects."""
        if await self._admit(request.headers.get("Authorization"), *scopes) is not None:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "this token opens one project only, and this tells of all",
                where="Authorization",
                mend="Use a token made without --project.",
            )

    async def _admit(self, header: str | None, *scopes: Scope) -> int | None:
        """Check the token; returns the number of the only project that it opens, None for all."""
        if self._keyring.is_stale_for(header):
            # With threads of its own: those for all may be busy, and no request gets in without.
            await to_thread.run_sync(self._keyring.refresh, time.monotonic(), limiter=self._refreshing)
        return self._keyring.open(header, scopes).project_id

    def of_project(self, *scopes: Scope) -> Callable[..., Coroutine[Any, Any, Visitor]]:
        """A dependency that admits a request to the project in its path, with a token of one of the scopes."""

        async def admitted(request: Request, project: str = Path(examples=["tickets"])) -> Visitor:
            only = await self._admit(request.headers.get("Authorization"), *scopes)
            number = self._numbers.known(project)
            if number is None and _may_be_a_name(project):
                number = await run_in_threadpool(self._numbers.find, project)
            if number is None or only not in (None, number):
                _no_project(project)
            return Visitor(number, project)

        return admitted

    def visit_at_once(self, header: str | None, project: str, *scopes: Scope) -> Visitor | None:
        """Admit a request whose token opens the project, by what is in memory; None where that does not say so.

        Raises:
            RefusedError: 429 or 403, as by `of_project`.
        """
        grant, number = self._keyring.at_once(header), self._numbers.known(project)
        if grant is None or number is None or grant.project_id not in (None, number):
            return None
        self._keyring.admit(grant, scopes)
        return Visitor(number, project)


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
