"""What follows a commit and keeps no sender waiting: the queue is told of answered tasks, workers of new events.

All of it is a courtesy: with Redis away, or after a crash, the sweep does the same some seconds later.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import events
from shared.errors import DatabaseUnavailableError
from workers.context import Context
from workers.dispatch.queue import remove_tasks
from workers.hints import TOGETHER_S, send_hint

# With Redis away, it is tried now and then only.
_AWAY_S = 1.0

_log = structlog.get_logger(__name__)


class Aftermath:
    """A thread that cleans the queue and publishes the outbox after commits."""

    def __init__(self, held: Context) -> None:
        """Start the thread."""
        self._held = held
        self._answered: dict[str, list[str]] = defaultdict(list)
        self._changing = threading.Lock()
        self._work, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="aftermath", daemon=True)
        self._thread.start()

    def note(self, project: str, entries: Sequence[str] = ()) -> None:
        """Something was stored; `entries` of the project's tasks stream are answered. Returns at once."""
        with self._changing:
            self._answered[project] += entries
        self._work.set()

    def close(self) -> None:
        """Do what is left, and end the thread."""
        self._end.set()
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            self._work.wait()
            self._work.clear()
            is_open = not self._end.is_set()
            self._follow()
            self._end.wait(TOGETHER_S)

    def _follow(self) -> None:
        with self._changing:
            answered, self._answered = self._answered, defaultdict(list)
        try:
            for project, entries in answered.items():
                remove_tasks(self._held.redis, project, entries)
            if answered:
                events.relay(self._held.database, send_hint)
        except (OperationalError, RedisError, DatabaseUnavailableError) as error:
            _log.warning("aftermath.left_to_the_sweep", error=str(error))
            self._end.wait(_AWAY_S)
