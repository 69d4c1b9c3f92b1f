"""The annotation queue: the tasks stream of each project, read and written in few round trips."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import redis
import structlog
from redis.exceptions import ResponseError

from shared.contracts import RECEIPT_TYPE, TASK_TYPE, ReceiptMessage, TaskMessage, pack
from shared.streams import ANNOTATORS, ensure_group, receipts_key, tasks_key
from workers.dispatch.leases import Pending, QueueState, position

# A sender reads its receipts within a day, or sends again.
_RECEIPTS_KEPT = 2_000
_RECEIPTS_KEPT_S = 86_400
_AT_ONCE = 10_000

_log = structlog.get_logger(__name__)


def queue_state(client: redis.Redis, project: str, *, expected: int | None) -> QueueState:
    """What stands on a project's tasks stream.

    Args:
        client: Redis.
        project: The project's name.
        expected: How many entries the open assignments should have; entries are listed only when the stream's
            length differs, since listing them costs as much as their texts weigh. None where an entry may stand there
            that nobody wrote down: then the length says nothing, as another one may be gone.
    """
    key = tasks_key(project)
    ensure_group(client, key, ANNOTATORS)
    groups = client.xinfo_groups(key)
    group = next(group for group in groups if _text(group["name"]) == ANNOTATORS)
    pending = _pending(client, key)
    entries = None
    if client.xlen(key) != expected:
        listed = cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrange(key))
        entries = {_text(entry): _named(fields) for entry, fields in listed}
    return QueueState(entries, pending, _text(group["last-delivered-id"]))


def _pending(client: redis.Redis, key: str) -> dict[str, Pending]:
    found: dict[str, Pending] = {}
    start = "-"
    while True:
        page = cast(list[dict[str, Any]], client.xpending_range(key, ANNOTATORS, start, "+", _AT_ONCE))
        for entry in page:
            holder = Pending(_text(entry["consumer"]), entry["time_since_delivered"] / 1000)
            found[_text(entry["message_id"])] = holder
        if len(page) < _AT_ONCE:
            return found
        start = f"({_text(page[-1]['message_id'])}"


def untouched(client: redis.Redis, expected: Mapping[str, int]) -> set[str]:
    """Projects on whose tasks streams nothing has happened: all entries are there, and nobody has read any.

    Args:
        client: Redis.
        expected: How many entries the stream of each of these projects should have.
    """
    pipe = client.pipeline(transaction=False)
    for project in expected:
        pipe.xinfo_stream(tasks_key(project))
        pipe.xinfo_groups(tasks_key(project))
    said = pipe.execute(raise_on_error=False)  # no such stream, which is an answer too
    return {
        project
        for (project, entries), stream, groups in zip(expected.items(), said[::2], said[1::2], strict=True)
        if isinstance(stream, dict) and isinstance(groups, list) and _is_untouched(stream, groups, entries)
    }


def _is_untouched(stream: dict[str, Any], groups: list[dict[str, Any]], entries: int) -> bool:
    if stream["length"] != entries or not entries:
        return False
    first = position(_text(stream["first-entry"][0]))
    annotators = [group for group in groups if _text(group["name"]) == ANNOTATORS]
    return any(not group["pending"] and position(_text(group["last-delivered-id"])) < first for group in annotators)


def add_tasks(client: redis.Redis, project: str, messages: Sequence[TaskMessage]) -> list[str]:
    """Put tasks on the stream, in order; returns their entry ids.

    `client` must not send anything twice, as one by `connect(settings, again=False)` doesn't: where the answer is what
    got lost, each task would be there twice.
    """
    pipe = client.pipeline(transaction=False)
    for message in messages:
        fields = pack(type_=TASK_TYPE, id_=f"{message.assignment}.{message.lease}", data=message)
        pipe.xadd(tasks_key(project), fields)
    return [_text(entry) for entry in pipe.execute()]


def remove_tasks(client: redis.Redis, project: str, entries: Iterable[str]) -> None:
    """Take entries off the stream, for annotators and for ever."""
    ids = list(entries)
    if not ids:
        return
    pipe = client.pipeline(transaction=False)
    pipe.xack(tasks_key(project), ANNOTATORS, *ids)
    pipe.xdel(tasks_key(project), *ids)
    try:
        pipe.execute()
    except ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise


def send_receipts(client: redis.Redis, receipts: Sequence[tuple[str, ReceiptMessage]]) -> None:
    """Tell each sender (annotator name, receipt) what became of its submission.

    Where Redis takes no receipt, since it has no room or something else stands under the key, the sender asks again:
    its answer is stored, and the others' receipts go out.
    """
    pipe = client.pipeline(transaction=False)
    keys = [receipts_key(annotator) for annotator, _ in receipts]
    for key, (_, receipt) in zip(keys, receipts, strict=True):
        fields = pack(type_=RECEIPT_TYPE, id_=receipt.submission_id or "", data=receipt)
        pipe.xadd(key, fields, maxlen=_RECEIPTS_KEPT, approximate=True)
        pipe.expire(key, _RECEIPTS_KEPT_S)
    added = pipe.execute(raise_on_error=False)[::2]
    refused = {key: str(said) for key, said in zip(keys, added, strict=True) if isinstance(said, ResponseError)}
    if refused:
        key, error = next(iter(refused.items()))
        _log.warning("receipts.refused", streams=len(refused), first=key, error=error)


def _named(fields: dict[bytes, bytes]) -> tuple[int, int] | None:
    """Assignment and lease number by an entry's `id`, as `add_tasks` writes it."""
    assignment, _, lease = fields.get(b"id", b"").partition(b".")
    return (int(assignment), int(lease)) if assignment.isdigit() and lease.isdigit() else None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
