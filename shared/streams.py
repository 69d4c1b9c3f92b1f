"""Redis: the connection, and the table of all keys that Quiet Corner uses.

| key | kind | holds |
| --- | --- | --- |
| `quietcorner:tasks:PROJECT` | stream | open assignments; consumer group `annotators` |
| `quietcorner:submissions` | stream | answers from annotators; consumer group `quietcorner` |
| `quietcorner:receipts:ANNOTATOR` | stream | what became of that sender's submissions; short, expires |
| `quietcorner:dead` | stream | copies of refused messages with reasons; short, the database holds all |
| `quietcorner:shared:ROOM:PROJECT` | string | token of the lane whose holder shares its work now; expires |
| `quietcorner:shared:ROOM:PROJECT:TOKEN:*` | lists, hash | parts that are open, what they ask for, results; expire |
| `quietcorner:celery:*` | Celery's own | hints that wake workers |
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from shared.errors import RedisUnavailableError
from shared.settings import Settings
from shared.urls import without_password

PREFIX = "quietcorner:"
CELERY_PREFIX = PREFIX + "celery:"
SUBMISSIONS = PREFIX + "submissions"
DEAD = PREFIX + "dead"

ANNOTATORS = "annotators"
INTAKE = "quietcorner"


def tasks_key(project: str) -> str:
    """The stream on which a project's assignments wait."""
    return f"{PREFIX}tasks:{project}"


def receipts_key(annotator: str) -> str:
    """The stream on which one sender finds its receipts."""
    return f"{PREFIX}receipts:{annotator}"


def shared_key(room: str, project_id: int) -> str:
    """Which holder of a lane shares its work now; what it shares lies under keys that begin alike."""
    return f"{PREFIX}shared:{room}:{project_id}"


def connect(settings: Settings, *, again: bool = True, patience_s: float = 30.0) -> redis.Redis:
    """A client for the Redis in force. Opens no connection yet.

    Args:
        settings: Which Redis.
        again: Whether it sends a command again when no answer came. Redis may have done it all the same.
        patience_s: How long it waits for an answer.
    """
    return redis.Redis.from_url(
        settings.redis_in_force,
        socket_timeout=patience_s,
        socket_connect_timeout=min(patience_s, 5.0),
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3 if again else 0),
    )


@contextmanager
def reachable(settings: Settings) -> Iterator[None]:
    """Turn any Redis error in the block into one that says where Redis was expected and what to do."""
    try:
        yield
    except RedisError as error:
        mend = "Check REDIS_URL." if settings.redis_url else "Start it with `quietcorner up`, or set REDIS_URL."
        raise RedisUnavailableError(f"Redis at {without_password(settings.redis_in_force)}: {error}. {mend}") from error


def ensure_group(client: redis.Redis, key: str, group: str) -> bool:
    """Make stream and consumer group where they are missing, reading from the stream's beginning; whether they were."""
    try:
        client.xgroup_create(key, group, id="0", mkstream=True)
    except ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
        return False
    return True
