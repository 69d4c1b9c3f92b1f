"""Crash points: named places at which a test lets a fault happen, in real processes and at the worst of moments.

Without `QUIETCORNER_CRASH_FOLDER`, as in all service, a point is one comparison. With it, a test arms a point by a
file of the point's name in that folder (`NAME`, or `NAME.PROJECT` for one project only, by its row number). The first
process to reach the point takes the file away and does what it says: a signal to itself (`SIGKILL`, `SIGSTOP`), an
error of the operating system (`ENOSPC`), or nothing any more (`HANG`). So one file is one fault, however many processes
there are and however often they are started again.

Every transaction that a lane or the submissions' way writes has a point on each side of its commit,
`before-commit.NAME` and `after-commit.NAME`: see `name_commit`.
"""

import errno
import os
import signal
import threading
from pathlib import Path

from sqlmodel import Session

_COMMIT = "crash_point"
_folder: Path | None = None


def arm(folder: Path | None) -> None:
    """Look for armed points in this folder from now on; None makes all points inert."""
    global _folder
    _folder = folder


def reached(point: str, project_id: int | None = None) -> None:
    """Let the fault happen that is armed at this point, if one is."""
    if _folder is None:
        return
    for name in (point, f"{point}.{project_id}"):
        try:
            fault = (_folder / name).read_text().strip()
            (_folder / name).unlink()  # of two processes that come at once, one gets it
        except FileNotFoundError:
            continue
        _let_happen(fault, point)


def name_commit(session: Session, name: str, project_id: int | None = None) -> None:
    """Name the points around the commit of the transaction that `session` is in."""
    session.info[_COMMIT] = (name, project_id)


def before_commit(session: Session) -> None:
    """Pass the point before the commit, if this transaction has a name."""
    if _COMMIT in session.info:
        name, project_id = session.info[_COMMIT]
        reached(f"before-commit.{name}", project_id)


def after_commit(session: Session) -> None:
    """Pass the point after the commit, likewise."""
    if _COMMIT in session.info:
        name, project_id = session.info.pop(_COMMIT)
        reached(f"after-commit.{name}", project_id)


def _let_happen(fault: str, point: str) -> None:
    if fault.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[fault])
    elif fault == "HANG":
        threading.Event().wait()
    else:
        number = getattr(errno, fault)
        raise OSError(number, f"{os.strerror(number)} (by the test that armed {point})")
