"""Work that the holder of a lane shares with workers that are free: a board in Redis, on which parts of it lie open.

Whoever takes a part off the board has it alone, as Redis gives an element of a list to one. The holder takes parts as
everybody does, and answers for all of them: what nobody took it computes, and so it does what was taken and did not
come back in the time that it would have taken itself. So a helper that was killed costs that time and nothing else,
and with Redis away, or with nobody who helps, the holder computes part after part as if nothing was shared. (The
second try for a straggler is that of Dean and Ghemawat, "MapReduce", OSDI 2004, section 3.6.)

Helpers are called by hints, which hold no part: a hint is a seat. Who takes one does the next open part, whichever that
is, and passes the seat on as long as the holder goes on. So a worker's own work, which goes first, comes in between,
and hints do not pile up where nobody takes them.

A helper writes nothing to the database. Its result names the part with a hash of all that was asked for, and anything
else than the answer to what this holder asked is passed over: results of an earlier holder, second ones, damaged ones.
Annotation tools reach Redis, too, and are trusted with no vector: what lies on the board is proven by a secret of the
claim, which is in the database alone (HMAC, RFC 2104).
"""

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import redis
import structlog
from kombu.exceptions import OperationalError
from numpy.typing import NDArray
from redis.exceptions import InvalidResponse, RedisError
from safetensors import SafetensorError

from shared.arrays import dump_arrays, load_arrays
from shared.errors import QuietCornerError
from shared.lanes import Claim
from shared.settings import Settings
from shared.streams import connect, shared_key

Arrays = Mapping[str, NDArray[Any]]


class SupersededError(QuietCornerError):
    """Another holder of the same lane came later."""


# Parts that lie open or are being done beside the one that the holder waits for. What a holder that died leaves of
# them is done in vain.
AHEAD = 16
# A part may be away for so many times as long as the holder's own parts take, while there are others to do.
_PATIENCE = 3.0
# How long these take goes by the last few; before there is one, it is this.
_LAST, _FIRST_S = 4, 2.0
# Longer than a part takes: a board that its holder did not touch for this long is gone.
_LIFE_S = 120
# A helper waits so long for a part, then it looks whether its own work waits.
_HELPER_WAITS_S = 1.0
# An answer of Redis takes milliseconds; the holder does not wait for a Redis that keeps silent.
_SILENCE_S = 5.0
_PROOF_BYTES = hashlib.sha256().digest_size
# To wait for less than a millisecond is for Redis to wait for ever.
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.01, 1.0

_log = structlog.get_logger(__name__)


class Board:
    """What one holder shares: on which Redis, of which claim."""

    def __init__(self, client: redis.Redis, claimed: Claim) -> None:
        """What lies on the board is proven by the claim's secret, which whoever reaches Redis does not know."""
        self.client, self._token = client, claimed.token
        self._secret = claimed.secret.encode()
        self._holder = shared_key(claimed.room, claimed.project_id)

    @classmethod
    def of(cls, settings: Settings, claimed: Claim) -> Self:
        """On the Redis in force, with a connection of its own that waits for nothing for long."""
        return cls(connect(settings, again=False, patience_s=_SILENCE_S), claimed)

    def _key(self, name: str) -> str:
        return f"{self._holder}:{self._token}:{name}"

    def _proof(self, name: str, blob: bytes) -> bytes:
        return hmac.digest(self._secret, self._key(name).encode() + b"\0" + blob, hashlib.sha256)

    def _proven(self, name: str, blob: bytes) -> bytes:
        return self._proof(name, blob) + blob

    def _checked(self, name: str, proven: bytes) -> bytes | None:
        """What stands behind a proof; None where it does not hold."""
        blob = proven[_PROOF_BYTES:]
        return blob if hmac.compare_digest(self._proof(name, blob), proven[:_PROOF_BYTES]) else None

    def keep(self) -> bool:
        """Keep the board for another while; whether it was there, with all that was put on it.

        Raises:
            SupersededError: a later holder of the lane shares its work.
        """
        with self.client.pipeline() as pipe:
            pipe.set(self._holder, self._token, ex=_LIFE_S, get=True)
            for name in ("open", "asked", "done"):
                pipe.expire(self._key(name), _LIFE_S)
            before = _number(pipe.execute()[0] or b"0")
        if before > self._token:
            raise SupersededError(f"{self._holder}: token {before} came after {self._token}")
        return before == self._token

    def is_kept(self) -> bool:
        """Whether the holder goes on, and no other has taken over."""
        found: Any = self.client.get(self._holder)
        return found is not None and _number(found) == self._token

    def put(self, asked: Mapping[int, bytes]) -> None:
        """Lay parts open, by number, with what they ask for."""
        with self.client.pipeline() as pipe:
            pipe.hset(
                self._key("asked"), mapping={str(number): self._proven("asked", blob) for number, blob in asked.items()}
            )
            pipe.rpush(self._key("open"), *asked)
            for name in ("open", "asked"):
                pipe.expire(self._key(name), _LIFE_S)
            pipe.execute()

    def take(self) -> int | None:
        """The number of the next open part, which is the holder's then; None where none is open."""
        found: Any = self.client.lpop(self._key("open"))
        if found is None:
            return None
        number = _number(found)
        self.client.hdel(self._key("asked"), str(number))
        return number

    def wait_for_part(self, wait_s: float) -> tuple[int, bytes] | None:
        """The next open part, which is the caller's then, with what it asks for; one may come meanwhile."""
        found: Any = self.client.blpop([self._key("open")], timeout=wait_s)
        if found is None:
            return None
        number = _number(found[1])
        with self.client.pipeline() as pipe:
            pipe.hget(self._key("asked"), str(number))
            pipe.hdel(self._key("asked"), str(number))
            proven = pipe.execute()[0]
        asked = self._checked("asked", proven) if proven else None
        return None if asked is None else (number, asked)

    def hand_in(self, result: bytes) -> None:
        """Lay a result down for the holder."""
        with self.client.pipeline() as pipe:
            pipe.rpush(self._key("done"), self._proven("done", result))
            pipe.expire(self._key("done"), _LIFE_S)
            pipe.execute()

    def collect(self, wait_s: float = 0.0) -> list[bytes]:
        """Take the results that were handed in; where there is none, one may come meanwhile."""
        first: Any = self.client.blpop([self._key("done")], timeout=wait_s) if wait_s else None
        more: Any = self.client.lpop(self._key("done"), AHEAD)
        proven = [*([] if first is None else [first[1]]), *(more or [])]
        return [blob for each in proven if (blob := self._checked("done", each)) is not None]

    def end(self) -> None:
        """Nothing is shared any more."""
        self.client.delete(self._holder, *(self._key(name) for name in ("open", "asked", "done")))


@dataclass(frozen=True)
class Parts:
    """Work in parts, which any worker can do from what a part asks for.

    Attributes:
        count: how many there are, numbered from 0.
        ask: what a part asks for, by number: all that the result hangs on.
        do: the result of a part, by number.
        call: sends so many hints that somebody helps.
    """

    count: int
    ask: Callable[[int], bytes]
    do: Callable[[int], Arrays]
    call: Callable[[int], None]


class Sharing:
    """The holder's side: all results in order, whoever computed them."""

    def __init__(self, settings: Settings, claimed: Claim, parts: Parts) -> None:
        """Of work in one part nothing is shared."""
        self._parts = parts
        self._board: Board | None = None
        if parts.count > 1:
            self._board = Board.of(settings, claimed)
        self._asked: dict[int, str] = {}
        self._results: dict[int, Arrays] = {}
        self._own_s: deque[float] = deque(maxlen=_LAST)
        self.by_others = 0
        """Parts that others did so far."""

    def results(self) -> Generator[Arrays, None, None]:
        """Of each part, in order. To be closed by who does not read it to its end."""
        try:
            for wanted in range(self._parts.count):
                yield self._result(wanted)
        finally:
            self._end()

    def _result(self, wanted: int) -> Arrays:
        began = time.monotonic()
        while wanted not in self._results:
            number: int | None = wanted
            if self._board is not None:
                try:
                    number = self._next(self._board, wanted, waited_s=time.monotonic() - began)
                except (RedisError, OperationalError, SupersededError) as error:
                    _log.warning("sharing.ends", error=str(error))
                    self._board.client.close()
                    self._board = None
            if number is not None:
                self._do(number)
        self._asked.pop(wanted, None)
        return self._results.pop(wanted)

    def _next(self, board: Board, wanted: int, *, waited_s: float) -> int | None:
        """The part to do now; None where the wanted one has come, or may have."""
        self._offer(board, wanted)
        self._accept(board.collect())
        if wanted in self._results:
            return None
        own_s = max(self._own_s, default=_FIRST_S)
        if waited_s < _PATIENCE * own_s:
            if (number := board.take()) is not None:
                return number if number in self._asked and number not in self._results else None
            if waited_s < own_s:
                self._accept(board.collect(min(max(own_s - waited_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)))
                return None
        _log.info("part.missed", part=wanted, waited_s=round(waited_s, 1))
        self._parts.call(1)  # whoever took it may have died, and its seat with it
        return wanted

    def _offer(self, board: Board, wanted: int) -> None:
        """Lay open what comes next; where nothing lies on the board, or nothing any more, all that is not done."""
        kept = board.keep()
        known = {*self._results, *(self._asked if kept else ())}
        coming = range(wanted, min(self._parts.count, wanted + AHEAD))
        asked = {number: self._parts.ask(number) for number in coming if number not in known}
        if not asked:
            return
        self._asked.update({number: _digest(blob) for number, blob in asked.items()})
        board.put(asked)
        if not kept:
            self._parts.call(len(asked) - 1)

    def _accept(self, results: list[bytes]) -> None:
        for blob in results:
            with suppress(ValueError, KeyError, TypeError, SafetensorError):  # damaged
                arrays, header = load_arrays(blob)
                number = header["part"]
                if self._asked.get(number) == header["asked"] and number not in self._results:
                    self._results[number] = arrays
                    self.by_others += 1

    def _do(self, number: int) -> None:
        began = time.monotonic()
        result = self._parts.do(number)
        self._own_s.append(time.monotonic() - began)
        self._results.setdefault(number, result)

    def _end(self) -> None:
        if self._board is None:
            return
        with suppress(RedisError):
            self._board.end()
        self._board.client.close()
        if self.by_others:
            _log.info("work.shared", parts=self._parts.count, by_others=self.by_others)


Helper = Callable[[bytes], Arrays]
"""Does a part from what it asks for."""


def take_seat(board: Board, *, prepare: Callable[[], Helper | None], pass_on: Callable[[], None]) -> None:
    """The helper's side: do one part, if one is open or comes soon, and pass the seat on while the holder goes on.

    Args:
        board: The holder's; its connection is closed.
        prepare: Gets ready to do parts, which may take long; None where this worker can't do them as the holder does.
        pass_on: Sends one hint more.
    """
    try:
        helper = prepare() if board.is_kept() else None
        if helper is None:
            return
        part = board.wait_for_part(_HELPER_WAITS_S)
        if part is not None:
            number, asked = part
            result = helper(asked)
            board.hand_in(dump_arrays(result, {"part": number, "asked": _digest(asked)}))
            _log.info("part.done", part=number)
        if board.is_kept():
            pass_on()
    except (RedisError, OperationalError) as error:
        _log.warning("part.not_done", error=str(error))  # the holder will do it
    finally:
        board.client.close()


def _number(found: bytes) -> int:
    """A number that is kept in Redis, where others may have written anything."""
    try:
        return int(found)
    except ValueError as error:
        raise InvalidResponse(f"{found[:20]!r} stands where a number is expected") from error


def _digest(asked: bytes) -> str:
    return hashlib.sha256(asked).hexdigest()
