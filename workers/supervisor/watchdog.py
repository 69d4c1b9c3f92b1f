"""The watchdog of a worker: ends one that is wedged, so that whoever supervises it starts it again.

A worker is wedged when its lanes have work, or the outbox has events, and nobody has done any for long, while database
and Redis answer: a child that was stopped or loops inside a library, a consumer that lost its connection and did not
notice. Before it ends the worker it sends the hints once more, which is all it takes where only the clock is away.
"""

import os
import signal
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import structlog
from billiard.process import active_children
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared import events, lanes
from shared.errors import DatabaseUnavailableError
from workers.app import INTAKE, app
from workers.context import context
from workers.hints import ROOM_TASKS, broker_is_up, wake

WEDGED = os.EX_SOFTWARE
"""Exit code of a worker that its watchdog ended."""

_LOOKS = 6
"""Looks within the time of one patience."""

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


def start(queues: Collection[str], *, patience_s: float) -> None:
    """Watch over this process, a worker of these queues, from a thread."""
    rooms = [room for room, task in ROOM_TASKS.items() if app.amqp.router.route({}, task)["queue"].name in queues]
    threading.Thread(target=_watch, args=(rooms, INTAKE in queues, patience_s), daemon=True).start()


def end(code: int) -> None:
    """End this worker and its pool at once; what they held comes back when its lease has run out."""
    for child in active_children():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(code)


def end_after(seconds: float) -> None:
    """End this worker that far from now, if it did not end by itself."""
    timer = threading.Timer(seconds, end, args=(os.EX_TEMPFAIL,))
    timer.daemon = True
    timer.start()


def _watch(rooms: Collection[str], relays: bool, patience_s: float) -> None:
    vigil = Vigil(patience_s)
    while True:
        time.sleep(patience_s / _LOOKS)
        step = vigil.judge(_look(rooms, relays), time=time.monotonic())
        if step is Step.REMIND:
            _remind(rooms)
        elif step is Step.END:
            _log.error("worker.wedged", rooms=list(rooms), idle_s=patience_s)
            end(WEDGED)


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
