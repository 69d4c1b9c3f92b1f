"""The short way of answers: past the framework's work on a request, which costs more than theirs.

It is for requests that nothing has to be looked up for, and whose token opens their project. The first one of a project
or of a token, and one a second to hear of revoked tokens, go the long way through the framework's route, as do all
other requests: so how long an answer takes tells nobody which projects there are.
"""

import asyncio
import re
from dataclasses import dataclass
from types import SimpleNamespace

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.tokens import Scope as Right
from workers.gateway import faults
from workers.gateway.faults import RefusedError
from workers.gateway.group_commit import GroupCommit
from workers.gateway.incoming import take_answers
from workers.gateway.limits import ANSWER_S, Given, read_body, too_late
from workers.gateway.reception import Desk, Visitor

_PATH = re.compile(r"/v1/projects/([^/]+)/submissions")


# What the metrics count by, as the framework's own routes have it.
_ROUTE = SimpleNamespace(path="/v1/projects/{project}/submissions")


@dataclass(frozen=True)
class ShortWay:
    """ASGI application that takes answers itself where it can, and hands every other request on."""

    app: ASGIApp
    desk: Desk
    commits: GroupCommit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        project = _project(scope)
        if project is None:
            await self.app(scope, receive, send)
            return
        response: Response | None
        try:
            body = await read_body(scope, receive)
        except RefusedError as error:
            response = await faults.refused(Request(scope), error)
        else:
            if body is None:
                return
            response = await self._answer(project, body, scope)
            if response is None:
                await self.app(scope, Given(body, receive, send).receive, send)
                return
        scope["route"] = _ROUTE
        await response(scope, receive, send)

    async def _answer(self, project: str, body: bytes, scope: Scope) -> Response | None:
        """The answer to a request whose body is there; None where the framework is to give it."""
        try:
            # Not before the body is there: a token may have been revoked meanwhile.
            visitor = self.desk.visit_at_once(_authorization(scope), project, Right.ANNOTATE, Right.SUBMIT)
            return None if visitor is None else await self._take(visitor, body, scope)
        except Exception as error:
            return await faults.tell(Request(scope), error)

    async def _take(self, visitor: Visitor, body: bytes, scope: Scope) -> Response:
        limit = asyncio.timeout(ANSWER_S)
        try:
            async with limit:
                received = await take_answers(self.commits, visitor, body)
        except TimeoutError as error:
            if not limit.expired():
                raise
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
