"""One `quietcorner up` a data folder: an advisory lock that goes when its holder goes, however it ends."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from shared.errors import ConfigError, DataFolderHeldError

LOCK_NAME = "up.lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the data folder for the length of the block; the folder is made when it is missing.

    The lock is the kernel's (flock), so that of a killed holder only a stale name remains in the file, no lock.

    Raises:
        DataFolderHeldError: another process holds it; the message names it and says how to end it.
        ConfigError: the folder can't be made or written.
    """
    with _open(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderHeldError(_who_holds(folder, file)) from error
        _sign(file)
        yield


def _open(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return (folder / LOCK_NAME).open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the data folder {folder} can't be written: {error}. Choose another with --data or QUIETCORNER_DATA_DIR."
        ) from error


def _sign(file: TextIO) -> None:
    file.truncate(0)
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
    file.flush()


def _who_holds(folder: Path, file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.load(file)
        pid, host, since = holder["pid"], holder["host"], holder["since"]
    except (ValueError, KeyError, TypeError):  # it took the lock this moment and hasn't signed yet
        return f"the data folder {folder} is held by another `quietcorner up`. End that one, or choose another folder."
    return (
        f"the data folder {folder} is held by `quietcorner up` with pid {pid} on {host} since {since}. "
        f"End that one (Ctrl-C in its terminal, or `kill {pid}`), or choose another folder with --data."
    )
