"""Annotators in threads: they take tasks, answer, and keep what was handed to them and what they got a receipt for."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count as numbers
from itertools import pairwise
from typing import Any, cast

import redis

from shared.contracts import SUBMISSION_TYPE, SubmissionMessage, pack
from shared.settings import Settings
from shared.streams import ANNOTATORS, SUBMISSIONS, receipts_key, tasks_key
from tests.live import wait_for

_RESEND_S = 1.5
_BLOCK_MS = 200
# A lease is looked at by the sweep; what was read just before it ended may be handed out again a moment before.
_SLACK_S = 0.5
_NUMBERS = numbers(1)


@dataclass
class Delivery:
    """A task that was handed to an annotator, by the test's own clock."""

    item_id: str
    assignment: int
    lease: int
    lease_s: float
    at: float
    safe_at: float | None = None
    """When its receipt came."""


@dataclass
class Annotator:
    """One annotator, who waits `delay_s` between tasks, thinks for `think_s` over each, and answers what the item's id
    begins with."""

    name: str
    project: str
    client: redis.Redis
    delay_s: float
    think_s: float
    stop: threading.Event
    deliveries: list[Delivery] = field(default_factory=list)
    unsafe: dict[str, tuple[float, SubmissionMessage]] = field(default_factory=dict)
    safe: dict[str, SubmissionMessage] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    _last: str = "0-0"

    def work(self) -> None:
        """Take and answer tasks until told to stop, and go on until every answer has its receipt."""
        while not self.stop.is_set() or self.unsafe:
            try:
                self._read_receipts()
                if not self.stop.is_set():
                    self._take()
                    time.sleep(self.delay_s)
                else:
                    time.sleep(0.05)
            except redis.RedisError:
                self._last = "0-0"  # it may be another Redis when it comes back
                time.sleep(0.1)

    def _take(self) -> None:
        read = self.client.xreadgroup(ANNOTATORS, self.name, {tasks_key(self.project): ">"}, count=1, block=_BLOCK_MS)
        for _, entries in cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], read):
            for _, fields in entries:
                self._answer(json.loads(fields[b"data"]))

    def _answer(self, task: dict[str, Any]) -> None:
        delivery = Delivery(task["item_id"], task["assignment"], task["lease"], task["lease_s"], time.monotonic())
        self.deliveries.append(delivery)
        self.stop.wait(self.think_s)
        self._send(
            SubmissionMessage(
                project=self.project,
                submission_id=f"{self.name}:{delivery.assignment}:{delivery.lease}",
                item_id=delivery.item_id,
                annotator=self.name,
                label=delivery.item_id.partition("-")[0],
                assignment=delivery.assignment,
                lease=delivery.lease,
            )
        )

    def _send(self, message: SubmissionMessage) -> None:
        self.unsafe[message.submission_id] = (time.monotonic(), message)
        self.client.xadd(SUBMISSIONS, pack(type_=SUBMISSION_TYPE, id_=message.submission_id, data=message))

    def _read_receipts(self) -> None:
        read = self.client.xread({receipts_key(self.name): self._last}, count=1_000)
        for _, entries in cast(list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]], read):
            for entry, fields in entries:
                self._last = entry.decode()
                self._note(json.loads(fields[b"data"]))
        for sent_at, message in list(self.unsafe.values()):
            if time.monotonic() - sent_at > _RESEND_S:
                self._send(message)

    def _note(self, receipt: dict[str, Any]) -> None:
        sent = self.unsafe.pop(receipt["submission_id"], None)
        if receipt["status"] == "refused":
            self.refused.append(receipt["reason"])
        elif sent is not None:
            self.safe[receipt["submission_id"]] = sent[1]
            for delivery in self.deliveries:
                if f"{self.name}:{delivery.assignment}:{delivery.lease}" == receipt["submission_id"]:
                    delivery.safe_at = time.monotonic()


@contextmanager
def annotators(
    settings: Settings, project: str, *, count: int, delay_s: float = 0.05, think_s: float = 0.0, finish_s: float = 90.0
) -> Iterator[Sequence[Annotator]]:
    """So many annotators at work for the length of the block; at its end every answer has its receipt."""
    stop = threading.Event()
    team = [
        Annotator(
            f"{project}-{next(_NUMBERS)}",
            project,
            redis.Redis.from_url(settings.redis_in_force, protocol=2, socket_timeout=5),
            delay_s,
            think_s,
            stop,
        )
        for _ in range(count)
    ]
    threads = [threading.Thread(target=each.work, daemon=True) for each in team]
    for thread in threads:
        thread.start()
    try:
        yield team
    finally:
        stop.set()
    wait_for(lambda: not any(each.unsafe for each in team), what="a receipt for every answer", limit_s=finish_s)
    for thread in threads:
        thread.join()


def twice_in_hand(team: Sequence[Annotator], *, unseen: tuple[float, float] = (0.0, 0.0)) -> list[str]:
    """Items that were handed out while an earlier annotator could still be working on them.

    Args:
        team: The annotators.
        unseen: From when to when tasks were handed out that no sweep had seen before Redis lost them.
    """
    by_item: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in sorted((each for one in team for each in one.deliveries), key=lambda delivery: delivery.at):
        by_item[delivery.item_id].append(delivery)
    return [
        f"{item_id}: lease {first.lease} of {first.assignment}, then {second.lease} of {second.assignment} after "
        f"{second.at - first.at:.1f} s"
        for item_id, deliveries in by_item.items()
        for first, second in pairwise(deliveries)
        if not unseen[0] <= first.at <= unseen[1]
        and second.at < min(first.at + first.lease_s - _SLACK_S, first.safe_at or float("inf"))
    ]
