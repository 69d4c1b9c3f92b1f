"""The keyring: which tokens open what, kept in memory for a second, and how fast each may knock."""

import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus

from shared.database import Database
from shared.database import now as database_now
from shared.repository.tokens import live_tokens
from shared.tokens import Scope, matches, parse
from workers.gateway.buckets import Bucket
from workers.gateway.faults import RefusedError

# A token that was revoked opens doors for so long at most.
_FRESH_S = 1.0
# A token that is not known may be new and is looked for at once, so often a second: somebody may make them up.
_STRANGERS = 10.0
_MEND = "Send Authorization: Bearer TOKEN, with a token that `quietcorner token create` made."


@dataclass(frozen=True)
class Grant:
    """What a token opens; `project_id` is None for all projects."""

    number: int
    digest: str
    scopes: frozenset[str]
    project_id: int | None
    expires_at: float | None

    def allows(self, scope: Scope) -> bool:
        """Whether it may be used for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


@dataclass
class Keyring:
    """The live tokens as of a moment ago, and a bucket for each that was used.

    Attributes:
        database: Where the tokens are.
        rate: Requests a second of one token in the long run; twice as many at once.
    """

    database: Database
    rate: float
    _grants: dict[int, Grant] = field(default_factory=dict)
    _buckets: dict[int, Bucket] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _ahead_s: float = 0.0
    """How far the database's clock is ahead of this process's own."""
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _strangers: Bucket = field(default_factory=lambda: Bucket(_STRANGERS, _STRANGERS, _STRANGERS, time.monotonic()))

    def is_stale_for(self, header: str | None) -> bool:
        """Whether the tokens in memory are too old to judge an `Authorization` header."""
        time_now = time.monotonic()
        if not self._is_fresh(time_now):
            return True
        parsed = _parse(header)
        return parsed is not None and parsed[0] not in self._grants and not self._strangers.take(time_now)

    def at_once(self, header: str | None) -> Grant | None:
        """The grant of an `Authorization` header, if the tokens in memory are fresh and its token is one of them."""
        return self._find(header) if self._is_fresh(time.monotonic()) else None

    def _is_fresh(self, time_now: float) -> bool:
        return time_now - self._read_at < _FRESH_S

    def refresh(self, asked_at: float) -> None:
        """Read the live tokens again, unless another thread has since `asked_at`, by the monotonic clock."""
        with self._reading:
            if self._read_at >= asked_at:
                return
            began = time.monotonic()
            with self.database.read() as session:
                self._ahead_s = database_now(session) - time.monotonic()
                grants = [
                    Grant(token.id, token.digest, frozenset(token.scopes), token.project_id, token.expires_at)
                    for token in live_tokens(session)
                ]
            self._grants = {grant.number: grant for grant in grants}
            self._buckets = {number: bucket for number, bucket in list(self._buckets.items()) if number in self._grants}
            self._read_at = began

    def open(self, header: str | None, scopes: tuple[Scope, ...]) -> Grant:
        """The grant of an `Authorization` header that holds a live token with one of the scopes, not too often.

        Raises:
            RefusedError: 401 without a live token, 429 when it comes too often, 403 without such a scope.
        """
        grant = self._find(header)
        if grant is None:
            what = "no token was sent" if header is None else "this token is unknown, expired or revoked"
            raise RefusedError(HTTPStatus.UNAUTHORIZED, what, where="Authorization", mend=_MEND)
        self.admit(grant, scopes)
        return grant

    def admit(self, grant: Grant, scopes: tuple[Scope, ...]) -> None:
        """Count one request of a grant that must have one of the scopes.

        Raises:
            RefusedError: 429 when it comes too often, 403 without such a scope.
        """
        wait_s = self._bucket(grant.number).take(time.monotonic())
        if wait_s:
            what = f"more than {self.rate:g} requests a second with this token"
            mend = "Wait for Retry-After seconds, and send several rows in one request."
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS, what, where="Authorization", mend=mend, retry_after_s=wait_s
            )
        if not any(grant.allows(scope) for scope in scopes):
            what = f"this token has the scope {', '.join(sorted(grant.scopes))}, which does not allow this"
            mend = f"Use a token made with --scope {scopes[0].value}."
            raise RefusedError(HTTPStatus.FORBIDDEN, what, where="Authorization", mend=mend)

    def _find(self, header: str | None) -> Grant | None:
        parsed = _parse(header)
        if parsed is None:
            return None
        number, secret = parsed
        grant = self._grants.get(number)
        if grant is None or not matches(secret, grant.digest):
            return None
        if grant.expires_at is not None and grant.expires_at <= time.monotonic() + self._ahead_s:
            return None
        return grant

    def _bucket(self, number: int) -> Bucket:
        bucket = self._buckets.get(number)
        if bucket is None:
            size = max(1.0, 2 * self.rate)
            bucket = self._buckets[number] = Bucket(self.rate, size, size, time.monotonic())
        return bucket


def _parse(header: str | None) -> tuple[int, str] | None:
    kind, _, token = (header or "").partition(" ")
    return parse(token.strip()) if kind.lower() == "bearer" else None
