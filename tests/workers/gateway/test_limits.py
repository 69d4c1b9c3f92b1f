"""A request that takes too long to come, to be answered, or too much room is told so and harms nobody."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.gateway.limits import Limits


def ask(app: ASGIApp, *chunks: bytes, then_wait: bool = False, headers: dict[bytes, bytes] | None = None) -> Any:
    """Status and body of the answer; None where none is given."""
    sent: list[Message] = []

    async def run() -> None:
        left = list(chunks)

        async def receive() -> Message:
            if not left:
                if then_wait:
                    await asyncio.Event().wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or then_wait}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "path": "/here", "method": "POST", "headers": list((headers or {}).items())}
        await Limits(app, longest_body=10, body_s=0.05, answer_s=0.05)(scope, receive, send)

    asyncio.run(run())
    if not sent:
        return None
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def place(answer: tuple[int, bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1])["error"]["where"]


def test_a_body_within_its_limits_arrives_whole_however_it_was_cut() -> None:
    assert ask(echo, b"12345", b"", b"67890") == (200, b"1234567890")


def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not() -> None:
    assert place(ask(echo, b"12345", b"678901")) == (413, "body")
    assert place(ask(echo, headers={b"content-length": b"11"})) == (413, "body")
    assert place(ask(echo, headers={b"content-length": b"9" * 5_000})) == (413, "body")


def test_a_body_that_does_not_come_is_given_up() -> None:
    assert place(ask(echo, b"123", then_wait=True)) == (408, "body")


def test_a_sender_who_is_gone_is_given_no_answer_and_does_no_harm() -> None:
    assert ask(echo) is None


def test_an_answer_that_takes_too_long_is_given_up_and_what_comes_later_is_not_sent() -> None:
    given_up = False

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal given_up
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            given_up = True
            await echo(scope, receive, send)

    assert place(ask(slow, b"123")) == (503, "/here")
    assert given_up


def test_an_error_is_passed_on_to_who_answers_for_it() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(broken, b"123")
