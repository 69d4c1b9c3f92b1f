"""Group commit: one thread stores the answers of all requests that wait, in one transaction a project.

A transaction costs a write to the disk, whether it holds one answer or fifty. While one is being written, the requests
that come meanwhile wait together and share the next: the more there are at once, the less each costs. D. J. DeWitt et
al., "Implementation techniques for main memory database systems", SIGMOD 1984, section 5.
"""

import asyncio
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from shared.contracts import ReceiptMessage
from shared.database import Database
from shared.errors import DatabaseUnavailableError
from workers.gateway.answers import Answer, store_answers
from workers.gateway.faults import RefusedError
from workers.intake.answers import GATHERING_S

# Answers in one transaction, and answers that may wait: beyond, a sender hears at once that it is too much.
_AT_ONCE = 200
_MOST_WAITING = 5_000

Stored = Callable[[str, Sequence[str]], None]
"""Told, after a commit, the project and the stream entries of the assignments that were closed."""


Outcome = list[ReceiptMessage] | Exception


@dataclass(frozen=True)
class _Post:
    project_id: int
    project: str
    answers: Sequence[Answer]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[ReceiptMessage]]


class GroupCommit:
    """A thread that stores answers, and the queue in front of it."""

    def __init__(self, database: Database, stored: Stored) -> None:
        """Start the thread.

        Args:
            database: Where the answers go.
            stored: Told after each commit; must not raise or wait.
        """
        self._database, self._stored = database, stored
        self._posts: queue.SimpleQueue[_Post | None] = queue.SimpleQueue()
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def post(self, project_id: int, project: str, answers: Sequence[Answer]) -> asyncio.Future[list[ReceiptMessage]]:
        """Hand answers over, on an event loop; the future has their receipts, in order, once they are durable.

        Raises:
            RefusedError: 503, too many wait already.
        """
        with self._counting:
            if self._waiting + len(answers) > _MOST_WAITING:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"{self._waiting:,} answers wait to be stored already",
                    where="body",
                    mend="Send it again after Retry-After seconds; none of it was stored.",
                    retry_after_s=1,
                )
            self._waiting += len(answers)
        loop = asyncio.get_running_loop()
        post = _Post(project_id, project, answers, loop, loop.create_future())
        self._posts.put(post)
        return post.done

    def close(self) -> None:
        """Store what waits, and end the thread."""
        self._posts.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            posts: dict[int, list[_Post]] = defaultdict(list)
            count = 0
            post = self._posts.get()
            while post is not None:
                posts[post.project_id].append(post)
                count += len(post.answers)
                if count >= _AT_ONCE or self._posts.empty():
                    break
                post = self._posts.get()
            is_open = post is not None
            for group in posts.values():
                self._store(group)
            with self._counting:
                self._waiting -= count
            if sum(map(len, posts.values())) > 1:
                time.sleep(GATHERING_S)

    def _store(self, group: Sequence[_Post]) -> None:
        """Store a group; when it can't be, each of its requests alone, so that none suffers for another."""
        first = group[0]
        try:
            taken = store_answers(
                self._database, first.project_id, first.project, [answer for post in group for answer in post.answers]
            )
        except Exception as error:
            if len(group) == 1 or isinstance(error, DatabaseUnavailableError):
                _tell([(post, error) for post in group])
            else:
                for post in group:
                    self._store([post])
            return
        receipts = iter(taken.receipts)
        _tell([(post, [next(receipts) for _ in post.answers]) for post in group])
        self._stored(first.project, taken.entries)


def _tell(outcomes: Sequence[tuple[_Post, Outcome]]) -> None:
    """Tell all senders of a group at once: to wake their event loop for each would cost more than to store it."""
    outcomes[0][0].loop.call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: Sequence[tuple[_Post, Outcome]]) -> None:
    for post, outcome in outcomes:
        if post.done.done():  # the request was given up meanwhile
            continue
        if isinstance(outcome, Exception):
            post.done.set_exception(outcome)
        else:
            post.done.set_result(outcome)
