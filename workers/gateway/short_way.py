"""The short way of answers: past the framework's work on a request, which costs more than theirs.

It is for requests that nothing has to be looked up for. The first one of a project or of a token, and one a second to
hear of revoked tokens, go the long way through the framework's route, as do all other requests.
"""

import asyncio
import re
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.tokens import Scope as Right
from workers.gateway import faults
from workers.gateway.group_commit import GroupCommit
from workers.gateway.incoming import take_answers
from workers.gateway.limits import ANSWER_S, read_body, too_late
from workers.gateway.reception import Desk, Visitor

_PATH = re.compile(r"/v1/projects/([^/]+)/submissions")


@dataclass(frozen=True)
class _Route:
    """What the metrics count by, under the name that the framework gives its own route."""

    path: str = "/v1/projects/{project}/submissions"


_ROUTE = _Route()


@dataclass(frozen=True)
class ShortWay:
    """ASGI application that takes answers itself where it can, and hands every other request on."""

    app: ASGIApp
    desk: Desk
    commits: GroupCommit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        project, header = _project(scope), _authorization(scope)
        if project is None or not self.desk.is_known(header, project):
            await self.app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        try:
            visitor = self.desk.visit(header, project, Right.ANNOTATE, Right.SUBMIT)
            response = await self._take(visitor, scope, receive)
        except Exception as error:
            response = await faults.tell(Request(scope), error)
        if response is not None:
            await response(scope, receive, send)

    async def _take(self, visitor: Visitor, scope: Scope, receive: Receive) -> Response | None:
        body = await read_body(scope, receive)
        if body is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_S):
                received = await take_answers(self.commits, visitor, body)
        except TimeoutError as error:
            raise too_late(scope) from error
        return Response(received.model_dump_json(), media_type="application/json")


def _project(scope: Scope) -> str | None:
    """The project that a request brings answers of; None for any other request."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    found = _PATH.fullmatch(scope["path"])
    return found and found.group(1)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope.get("headers", ()):
        if name == b"authorization":
            return str(value, "latin-1")
    return None
