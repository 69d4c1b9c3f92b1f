"""The listener: a plain loop that turns the submissions stream into rows, and tells each sender what became of it.

XREADGROUP -> one database transaction a project -> receipts -> XDEL and XACK. An entry leaves the stream only after its
answer is durable. A crash in between brings it back (XCLAIM), and its submission id is recognised.
"""

import math
import os
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from redis.exceptions import RedisError

from shared.contracts import ReceiptMessage, SubmissionMessage, unpack_submission
from shared.crash_points import name_commit, reached
from shared.database import now
from shared.errors import DatabaseUnavailableError, InvalidInputError
from shared.repository import assignments as assignment_rows
from shared.repository import submissions as rows
from shared.streams import DEAD, INTAKE, SUBMISSIONS, ensure_group
from workers.context import Context, context
from workers.dispatch import queue
from workers.hints import TOGETHER_S
from workers.intake.answers import GATHERING_S, take_answers, until_alone
from workers.intake.submissions import Verdict
from workers.readiness import say_ready

_AT_ONCE = 500
_BLOCK_MS = 1_000
# An entry that was handed out this often without being acknowledged is taken for one that kills its reader.
_MOST_DELIVERIES = 5
_DEAD_KEPT = 10_000
_RETRY_S = 1.0

_log = structlog.get_logger(__name__)

Fields = dict[bytes, bytes]


@dataclass(frozen=True)
class Entry:
    """One entry of the submissions stream; `message` is None where it can't be read, and `fault` then says why."""

    id: bytes
    fields: Fields
    message: SubmissionMessage | None
    fault: str = ""


def listen() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(context(), stop)


def serve(held: Context, stop: threading.Event) -> None:
    """Take submissions until `stop` is set, whether Redis and the database are there all the time or not."""
    consumer = f"{socket.gethostname()}:{os.getpid()}"
    _log.info("listener.ready", stream=SUBMISSIONS)
    say_ready()
    while not stop.is_set():
        try:
            ensure_group(held.redis, SUBMISSIONS, INTAKE)
            _listen(held, consumer, stop)
        except (RedisError, DatabaseUnavailableError) as error:
            # Nothing is lost: what was read and not acknowledged comes back.
            _log.warning("listener.waits", error=str(error))
            stop.wait(_RETRY_S)


def _listen(held: Context, consumer: str, stop: threading.Event) -> None:
    first_untold, tell_at, look_at = math.inf, 0.0, 0.0  # when the first answer came that no worker was told of
    while not stop.is_set():
        if time.monotonic() >= look_at:
            taken = _take_abandoned(held, consumer)
            if taken:
                first_untold = min(first_untold, time.monotonic())
            if taken < _AT_ONCE:
                look_at = time.monotonic() + _BLOCK_MS / 1000
        some_wait = first_untold < math.inf
        block_ms = max(1, round(1000 * (tell_at - time.monotonic()))) if some_wait else _BLOCK_MS
        read = held.redis.xreadgroup(INTAKE, consumer, {SUBMISSIONS: ">"}, count=_AT_ONCE, block=block_ms)
        for _, fresh in cast(list[tuple[bytes, list[tuple[bytes, Fields]]]], read):
            reached("after-read.listener")
            take_entries(held, [_read(id_, fields) for id_, fields in fresh])
            first_untold = min(first_untold, time.monotonic())
        at = time.monotonic()
        # The last answers of a batch come together: a round that begins with the first would be asked for in vain.
        over, late = some_wait and not read, at >= first_untold + TOGETHER_S
        if at >= tell_at and (over or late):
            held.relay()
            first_untold, tell_at = math.inf, time.monotonic() + TOGETHER_S
        if read:
            stop.wait(GATHERING_S)
    if first_untold < math.inf:
        held.relay()


def take_entries(held: Context, entries: Sequence[Entry]) -> None:
    """Store a run of entries, send receipts, and take them off the stream."""
    by_project: dict[str, list[Entry]] = defaultdict(list)
    receipts: list[tuple[Entry, ReceiptMessage]] = []
    for entry in entries:
        if entry.message is None:
            receipts.append((entry, _bury(held, entry, entry.fault)))
        else:
            by_project[entry.message.project].append(entry)
    for name, group in by_project.items():
        known = held.project_numbers.find(name)
        if known is None:
            receipts += [(entry, _bury(held, entry, f"project: there is no project {name!r}")) for entry in group]
        else:
            receipts += _take(held, name, known, group)
    _acknowledge(held, receipts)


def _take(held: Context, name: str, project_id: int, group: Sequence[Entry]) -> list[tuple[Entry, ReceiptMessage]]:
    messages = [entry.message for entry in group if entry.message is not None]

    def store() -> tuple[list[Verdict], list[str]]:
        with held.database.write() as session:
            verdicts = take_answers(session, project_id=project_id, messages=messages, origin="stream")
            closed = [verdict.closes for verdict in verdicts if verdict.closes is not None]
            return verdicts, assignment_rows.stream_entries(session, closed)

    verdicts, answered = until_alone(store)
    queue.remove_tasks(held.redis, name, answered)
    return [(entry, verdict.receipt) for entry, verdict in zip(group, verdicts, strict=True)]


def _acknowledge(held: Context, receipts: Sequence[tuple[Entry, ReceiptMessage]]) -> None:
    if not receipts:
        return
    reached("before-receipts.listener")
    queue.send_receipts(
        held.redis, [(entry.message.annotator, receipt) for entry, receipt in receipts if entry.message is not None]
    )
    _copy_refused(held, receipts)
    reached("before-xack.listener")
    _take_off(held, [entry.id for entry, _ in receipts])
    reached("after-xack.listener")


def _copy_refused(held: Context, receipts: Sequence[tuple[Entry, ReceiptMessage]]) -> None:
    """Show tools what was refused. The database has it, so where Redis takes no copy there is none."""
    pipe = held.redis.pipeline(transaction=False)
    for entry, receipt in receipts:
        if receipt.status == "refused":
            fields = {**entry.fields, b"reason": (receipt.reason or "").encode()}
            pipe.xadd(DEAD, cast(dict[Any, Any], fields), maxlen=_DEAD_KEPT, approximate=True)
    pipe.execute(raise_on_error=False)


def _take_off(held: Context, ids: Sequence[bytes]) -> None:
    """Delete entries and acknowledge them, in this order: between the two, they still come back to be acknowledged.

    No transaction, as Redis takes none when it has no room, and this makes some.
    """
    pipe = held.redis.pipeline(transaction=False)
    pipe.xdel(SUBMISSIONS, *ids)
    pipe.xack(SUBMISSIONS, INTAKE, *ids)
    pipe.execute()


def _take_abandoned(held: Context, consumer: str) -> int:
    """Take entries that another listener, or this one before a fault, read and did not finish; returns how many.

    To be handed out counts against an entry, as it may be what killed its reader. So each is claimed when its turn
    comes, and those behind one that kills are not counted with it.
    """
    idle_ms, taken = int(held.settings.lane_lease_s * 1000), 0
    waiting = held.redis.xpending_range(SUBMISSIONS, INTAKE, "-", "+", _AT_ONCE, idle=idle_ms)
    for pending in cast(list[dict[str, Any]], waiting):
        with held.database.write() as session:
            now(session)  # nothing is handed out while a database is away that would take any answer
        claimed = held.redis.xclaim(SUBMISSIONS, INTAKE, consumer, idle_ms, [pending["message_id"]])
        for id_, fields in cast(list[tuple[bytes | None, Fields]], claimed):
            if id_ is None:  # so Redis 6.2 says that somebody trimmed the stream
                _take_off(held, [pending["message_id"]])
            else:
                _take_again(held, id_, fields, deliveries=pending["times_delivered"])
            taken += 1
    return taken


def _take_again(held: Context, id_: bytes, fields: Fields, *, deliveries: int) -> None:
    if deliveries < _MOST_DELIVERIES:
        take_entries(held, [_read(id_, fields)])
    elif _is_stored(held, _read(id_, fields).message):
        # What comes after storing it is what fails each time: no receipt, for which its sender asks again.
        _log.warning("listener.no_receipt", entry=id_.decode(), deliveries=deliveries)
        _take_off(held, [id_])
    else:
        take_entries(held, [Entry(id_, fields, None, f"read {deliveries} times and never finished")])


def _is_stored(held: Context, message: SubmissionMessage | None) -> bool:
    """Whether this answer counts already."""
    project_id = None if message is None else held.project_numbers.find(message.project)
    if message is None or project_id is None:
        return False
    with held.database.read() as session:
        earlier = rows.find_earlier(session, project_id, [message.submission_id])
    return any(stored[:2] == (message.item_id, message.annotator) for stored in earlier.values())


def _read(id_: bytes, fields: Fields) -> Entry:
    try:
        return Entry(id_, fields, unpack_submission(fields))
    except InvalidInputError as error:
        return Entry(id_, fields, None, str(error))


def _bury(held: Context, entry: Entry, reason: str) -> ReceiptMessage:
    project = None if entry.message is None else entry.message.project
    payload = entry.fields.get(b"data", b"").decode(errors="replace")
    with held.database.write() as session:
        name_commit(session, "deadletter.store")
        rows.store_dead_letter(session, origin="stream", project=project, payload=payload, reason=reason)
    return ReceiptMessage(
        submission_id=None if entry.message is None else entry.message.submission_id, status="refused", reason=reason
    )
