"""Simulated annotators: they send at a pace of their own, however long the answers take, and note how long that was.

A latency counts from the moment at which a submission was due, not from when the sender got round to it: a server that
stalls is charged for everything that waited meanwhile. (G. Tene calls the other way "coordinated omission".)
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import redis.asyncio

from shared.contracts import SUBMISSION_TYPE, SubmissionMessage, pack
from shared.streams import SUBMISSIONS, receipts_key

_PATIENCE_S = 30.0
# What could not be sent so long after the end is not sent any more: the figures show that too little was taken.
_GRACE_S = 5.0
_RECEIPTS_AT_ONCE = 500

Answer = Callable[[str], dict[str, Any]]
"""Makes the next answer of an annotator."""


@dataclass
class Noted:
    """What became of submissions: seconds of each that was accepted, and how many met with what else."""

    seconds: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    """Leased tasks that were answered."""
    empty: int = 0
    """Times that a task was asked for and none was there."""


@dataclass(frozen=True)
class Pace:
    """When an annotator sends: from `start` until `end` on the monotonic clock, so many a second."""

    start: float
    end: float
    each_s: float


class Connection:
    """One connection that is kept open, with as little of HTTP as the bench needs: it shares the server's machine."""

    def __init__(self, address: str, token: str) -> None:
        """Note where to; the connection is made at the first request."""
        place = urlsplit(address)
        self._host, self._port = place.hostname or "", place.port or 80
        self._head = f"Host: {place.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        content = json.dumps(body).encode()
        writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        return status, json.loads(await reader.readexactly(length))


async def over_http(
    address: str, token: str, project: str, name: str, answer: Answer, pace: Pace, noted: Noted
) -> None:
    """An annotator who sends single answers over HTTP."""
    path = f"/v1/projects/{project}/submissions"
    connection = Connection(address, token)
    async for due in _ticks(pace):
        try:
            status, told = await asyncio.wait_for(connection.post(path, answer(name)), _PATIENCE_S)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            noted.others[type(error).__name__] += 1
            connection = Connection(address, token)
            continue
        if status == 200 and told["status"] == "accepted":
            noted.seconds.append(time.monotonic() - due)
        else:
            noted.others[f"HTTP {status}"] += 1


async def takes_tasks(
    address: str, token: str, project: str, name: str, label: Callable[[str], str], pace: Pace, noted: Noted
) -> None:
    """An annotator who leases a task over HTTP, and answers it a moment later."""
    connection = Connection(address, token)
    async for _ in _ticks(pace):
        _, told = await connection.post(f"/v1/projects/{project}/leases", {"annotator": name})
        if not told.get("tasks"):
            noted.empty += 1
            continue
        [task] = told["tasks"]
        given = {"item_id": task["item_id"], "annotator": name, "label": label(task["item_id"])}
        given |= {"submission_id": f"{name}-{task['assignment']}-{task['lease']}"}
        given |= {"assignment": task["assignment"], "lease": task["lease"]}
        status, _ = await connection.post(f"/v1/projects/{project}/submissions", given)
        noted.tasks += status == 200


async def over_redis(url: str, project: str, names: Sequence[str], answer: Answer, pace: Pace, noted: Noted) -> None:
    """Annotators who put answers on the stream, and one reader of all their receipts."""
    due_at: dict[str, float] = {}
    ended = asyncio.Event()
    client = redis.asyncio.Redis.from_url(url)

    async def send(name: str) -> None:
        async for due in _ticks(pace):
            given = answer(name)
            due_at[given["submission_id"]] = due
            message = SubmissionMessage(project=project, **given)
            await client.xadd(SUBMISSIONS, pack(type_=SUBMISSION_TYPE, id_=message.submission_id, data=message))

    async def listen() -> None:
        last: dict[Any, Any] = {receipts_key(name): "0-0" for name in names}
        while not ended.is_set():
            read: Any = await client.xread(last, count=_RECEIPTS_AT_ONCE, block=100)
            for key, entries in read or ():
                for entry, fields in entries:
                    last[key.decode()] = entry
                    due = due_at.pop(fields[b"id"].decode(), None)
                    if due is not None:
                        noted.seconds.append(time.monotonic() - due)

    reader = asyncio.create_task(listen())
    await asyncio.gather(*(send(name) for name in names))
    until = time.monotonic() + _PATIENCE_S
    while due_at and time.monotonic() < until:
        await asyncio.sleep(0.05)
    noted.others["no receipt"] += len(due_at)
    ended.set()
    await reader  # whose last read of the stream is still under way; a cancellation may get lost in the client
    await client.aclose()


async def _ticks(pace: Pace) -> AsyncIterator[float]:
    """The moments at which something is due, none before its time; what is late comes at once, but not for ever."""
    due = pace.start + random.random() * pace.each_s  # nosec B311 # noqa: S311 - spreads the senders, no secret
    while due < pace.end and time.monotonic() < pace.end + _GRACE_S:
        wait_s = due - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        yield due
        due += pace.each_s
