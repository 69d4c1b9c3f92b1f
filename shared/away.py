"""Faults that say nothing of the work: what it needs is away or takes nothing just now, and comes back."""

import redis

from shared.errors import NO_ROOM, DatabaseUnavailableError

_AWAY = (
    DatabaseUnavailableError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
)
# So Redis begins where it can't save its data and takes none; redis-py has no class for it.
_CANNOT_SAVE = "MISCONF"
# Before it, redis-py tells which command of a pipeline it was.
_OF_PIPELINE = "caused error: "


def is_away(error: Exception) -> bool:
    """Whether an error is of what the work needs, and not of the work."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return isinstance(error, _AWAY) or _cannot_save(error)


def _cannot_save(error: Exception) -> bool:
    said = str(error).rpartition(_OF_PIPELINE)[2]
    return isinstance(error, redis.exceptions.ResponseError) and said.startswith(_CANNOT_SAVE)
