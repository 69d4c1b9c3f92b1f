"""The watchdog of a worker: its parent, which ends it when it is wedged, so that whoever supervises both starts it
again.

A worker is wedged when its lanes have work, or the outbox has events, and nobody has done any for long, while database
and Redis answer: a child that was stopped or loops inside a library, a consumer that lost its connection and did not
notice. Before it ends the worker it sends the hints once more, which is all it takes where only the clock is away.

The watchdog has its connections to itself: Celery forks its pool from the worker, and a child that is forked while a
connection is open shares it.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import events, lanes
from shared.errors import DatabaseUnavailableError
from workers.app import INTAKE, app
from workers.context import context
from workers.hints import ROOM_TASKS, broker_is_up, wake
from workers.supervisor.forked import die_with, hear_for_itself, signals_held_back

WEDGED = os.EX_SOFTWARE
"""Exit code of a worker that its watchdog ended."""

_LOOKS = 6
"""Looks within the time of one patience."""

# What a shell says of a program that a signal has ended: this, and the signal's number.
_BY_SIGNAL = 128

_fork = multiprocessing.get_context("fork")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sight:
    """What the watchdog sees: whether work waits, whether somebody works, and what changes with all that is done."""

    waiting: bool
    working: bool
    done: tuple[int, int | None]


class Step(StrEnum):
    """What to do now."""

    NOTHING = "nothing"
    REMIND = "remind"
    END = "end"


class Vigil:
    """Judges sights. Pure: the time is the caller's."""

    def __init__(self, patience_s: float) -> None:
        """`patience_s`: work may lie for this long; hints are sent again after half of it."""
        self._patience_s = patience_s
        self._looked_at = self._idle_since = 0.0
        self._done: tuple[int, int | None] | None = None
        self._reminded = False

    def judge(self, sight: Sight | None, *, time: float) -> Step:
        """What to do after this sight; None is a look at which database or Redis did not answer."""
        asleep = time - self._looked_at > self._patience_s / 2  # this process was stopped, or the machine was
        self._looked_at = time
        if sight is None or not sight.waiting or sight.working or sight.done != self._done or asleep:
            self._idle_since, self._done, self._reminded = time, (sight.done if sight else None), False
            return Step.NOTHING
        if time - self._idle_since > self._patience_s:
            return Step.END
        if time - self._idle_since > self._patience_s / 2 and not self._reminded:
            self._reminded = True
            return Step.REMIND
        return Step.NOTHING


class Watchdog:
    """Runs a worker in a process forked from this one, and watches over it."""

    def __init__(self, work: Callable[[], object], *, grace_s: float) -> None:
        """Start `work`. It lives no longer than this process; a terminal's Ctrl-C reaches only this one.

        SIGTERM and SIGINT are passed on. The worker then has `grace_s` to end; after a second one it ends at once.
        """
        self._grace_s = grace_s
        self._told_to_end = False
        self._worker = _fork.Process(target=_live, args=(work, os.getpid()))
        with signals_held_back():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._tell_to_end())
            self._worker.start()

    def watch(self, queues: Collection[str], *, patience_s: float) -> int:
        """Wait for the worker's end, and bring it about when it is wedged; the exit code to end with.

        Args:
            queues: the Celery queues that it serves.
            patience_s: work may lie for this long.
        """
        rooms = [room for room, task in ROOM_TASKS.items() if app.amqp.router.route({}, task)["queue"].name in queues]
        threading.Thread(target=self._keep_watch, args=(rooms, INTAKE in queues, patience_s), daemon=True).start()
        self._worker.join()
        code = cast(int, self._worker.exitcode)
        return code if code >= 0 else _BY_SIGNAL - code

    def _tell_to_end(self) -> None:
        if self._told_to_end:
            self._end(os.EX_TEMPFAIL)
        self._told_to_end = True
        self._worker.terminate()
        cut_short = threading.Timer(self._grace_s, self._end, args=(os.EX_TEMPFAIL,))
        cut_short.daemon = True
        cut_short.start()

    def _keep_watch(self, rooms: Collection[str], relays: bool, patience_s: float) -> None:
        vigil = Vigil(patience_s)
        while True:
            time.sleep(patience_s / _LOOKS)
            step = vigil.judge(_look(rooms, relays), time=time.monotonic())
            if step is Step.REMIND:
                _remind(rooms)
            elif step is Step.END:
                _log.error("worker.wedged", rooms=list(rooms), idle_s=patience_s)
                self._end(WEDGED)

    def _end(self, code: int) -> None:
        """End the worker, its pool and this process at once; what they held comes back when its lease has run out."""
        self._worker.kill()
        os._exit(code)


def _live(work: Callable[[], object], watchdog: int) -> None:
    hear_for_itself()
    die_with(watchdog)
    os.setpgid(0, 0)
    work()


def _look(rooms: Collection[str], relays: bool) -> Sight | None:
    try:
        held = context()
        with held.database.read() as session:
            standing = lanes.standing(session, rooms)
            unpublished = events.oldest_unpublished(session) if relays else None
    except DatabaseUnavailableError:
        return None
    if not broker_is_up(held.settings):
        return None
    waiting = standing.waiting > 0 or unpublished is not None
    return Sight(waiting, standing.held > 0, (standing.done, unpublished))


def _remind(rooms: Collection[str]) -> None:
    """Send the hints that the sweep would send."""
    _log.warning("worker.idle", rooms=list(rooms))
    held = context()
    try:
        held.relay()
        with held.database.read() as session:
            lagging = lanes.lagging(session)
        wake((project_id, room) for project_id, room in lagging if room in rooms)
    except (DatabaseUnavailableError, OperationalError, RedisError) as error:
        _log.warning("worker.not_reminded", error=str(error))
