"""Limits of every request: how long its body may be, how long it may take to come, and how long its answer may take."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.gateway.faults import Told, respond

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
            async with asyncio.timeout(self.body_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            told = Told(what=f"the body did not come within {self.body_s:g} s", where="body", mend=_AGAIN)
            await respond(HTTPStatus.REQUEST_TIMEOUT, told, headers={"Connection": "close"})(scope, receive, send)
            return
        except _TooLongError:
            what = f"the body is longer than {self.longest_body:,} bytes"
            told = Told(what=what, where="body", mend="Send fewer rows in one request.")
            refusal = respond(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        if body is not None:
            await self._answer(scope, body, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the sender has gone."""
        if _declared(scope) > self.longest_body:
            raise _TooLongError
        chunks, length = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            chunks.append(chunk)
            length += len(chunk)
            if length > self.longest_body:
                raise _TooLongError
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        given = _Given(body, receive, send)
        task = asyncio.ensure_future(self.app(scope, given.receive, given.send))
        done, _ = await asyncio.wait({task}, timeout=self.answer_s)
        if done:
            task.result()
            return
        given.is_over = True
        task.cancel()
        if not given.has_begun:
            told = Told(what=f"there was no answer within {self.answer_s:g} s", where=scope["path"][:200], mend=_AGAIN)
            await respond(HTTPStatus.SERVICE_UNAVAILABLE, told, retry_after_s=1)(scope, receive, send)


class _TooLongError(Exception):
    pass


class _Given:
    """The two ends of a request whose body is there already, and whose answer may come too late."""

    def __init__(self, body: bytes, receive: Receive, send: Send) -> None:
        self._body: bytes | None = body
        self._receive, self._send = receive, send
        self.has_begun = self.is_over = False

    async def receive(self) -> Message:
        if self._body is None:
            return await self._receive()
        message: Message = {"type": "http.request", "body": self._body, "more_body": False}
        self._body = None
        return message

    async def send(self, message: Message) -> None:
        if not self.is_over:
            self.has_begun = True
            await self._send(message)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0
