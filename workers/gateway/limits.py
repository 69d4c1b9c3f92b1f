"""Limits of every request: how long its body may be, how long it may take to come, and how long its answer may take."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import NoReturn

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.gateway.faults import RefusedError, refused

LONGEST_BODY = 4 * 2**20
BODY_S = 20.0
ANSWER_S = 30.0

_AGAIN = "Send it again under the same ids: what was stored meanwhile is recognised."


@dataclass(frozen=True)
class Limits:
    """ASGI middleware that reads the whole body before it hands a request on, and answers for what takes too long."""

    app: ASGIApp
    longest_body: int = LONGEST_BODY
    body_s: float = BODY_S
    answer_s: float = ANSWER_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, longest_body=self.longest_body, body_s=self.body_s)
        except RefusedError as error:
            await (await refused(Request(scope), error))(scope, receive, send)
            return
        if body is not None:
            await self._answer(scope, body, receive, send)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        given = Given(body, receive, send)
        task = asyncio.ensure_future(self.app(scope, given.receive, given.send))
        done, _ = await asyncio.wait({task}, timeout=self.answer_s)
        if done:
            task.result()
            return
        given.is_over = True
        task.cancel()
        if not given.has_begun:
            await (await refused(Request(scope), too_late(scope, self.answer_s)))(scope, receive, send)


async def read_body(
    scope: Scope, receive: Receive, *, longest_body: int = LONGEST_BODY, body_s: float = BODY_S
) -> bytes | None:
    """The body of a request; None when the sender has gone.

    Raises:
        RefusedError: 408 when it takes longer than `body_s` seconds, 413 when it is longer than `longest_body` bytes.
    """
    try:
        async with asyncio.timeout(body_s):
            return await _read(scope, receive, longest_body)
    except TimeoutError as error:
        what = f"the body did not come within {body_s:g} s"
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, what, where="body", mend=_AGAIN) from error


def too_late(scope: Scope, answer_s: float = ANSWER_S) -> RefusedError:
    """What is told of a request whose answer took longer than `answer_s` seconds."""
    what = f"there was no answer within {answer_s:g} s"
    return RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, what, where=scope["path"][:200], mend=_AGAIN, retry_after_s=1)


async def _read(scope: Scope, receive: Receive, longest: int) -> bytes | None:
    if _declared(scope) > longest:
        _refuse_length(longest)
    chunks, length = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        chunks.append(chunk)
        length += len(chunk)
        if length > longest:
            _refuse_length(longest)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _refuse_length(longest: int) -> NoReturn:
    what = f"the body is longer than {longest:,} bytes"
    mend = "Send fewer rows in one request."
    raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, where="body", mend=mend)


class Given:
    """The two ends of a request whose body is there already, and whose answer may come too late."""

    def __init__(self, body: bytes, receive: Receive, send: Send) -> None:
        """Note what is there, and the ends of the connection."""
        self._body: bytes | None = body
        self._receive, self._send = receive, send
        self.has_begun = self.is_over = False

    async def receive(self) -> Message:
        """The whole body, and then what comes from the sender."""
        if self._body is None:
            return await self._receive()
        message: Message = {"type": "http.request", "body": self._body, "more_body": False}
        self._body = None
        return message

    async def send(self, message: Message) -> None:
        """Send on, unless the answer was given up."""
        if not self.is_over:
            self.has_begun = True
            await self._send(message)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
