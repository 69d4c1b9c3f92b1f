"""Processes forked from this one: each is there in milliseconds, with all that this one has imported.

What forks has one thread, has computed nothing with faiss, scikit-learn or torch, and has no connection open: a child
would wait for ever for locks that are held by threads which it does not have, and would share the connection.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from setproctitle import setproctitle

from workers.readiness import announce_to
from workers.supervisor.command import Command, Main

_fork = multiprocessing.get_context("fork")
# Whoever forks may handle these, and its children must not.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STANDARD_STREAMS = (1, 2)
_READY_PIPE = 3
_PR_SET_PDEATHSIG = 1


class ForkedProcess:
    """A process that runs a function of ours, with what `subprocess.Popen` has to wait for one and to end it."""

    def __init__(self, command: Command, main: Main, *, log: int, ready: int, put_on_leash: Callable[[], None]) -> None:
        """Fork: the child calls `main` with the command's arguments, in a session of its own, and ends with it.

        Args:
            command: what to tell the child.
            main: its function.
            log: descriptor of the file that gets its output and errors.
            ready: descriptor of the pipe into which it says that it is ready, see `workers.readiness`.
            put_on_leash: called in the child, once it has a session of its own and before anything else.

        Raises:
            OSError: there is no memory or no process to be had.
        """
        self._process = _fork.Process(target=_live, args=(command, main, log, ready, put_on_leash), name=command.name)
        with signals_held_back():
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return cast(int, self._process.pid)

    def poll(self) -> int | None:
        """Look whether it has ended: its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait until it has ended; its exit code."""
        self._process.join()
        return cast(int, self._process.exitcode)


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent is gone, however that went (Linux, prctl(2)).

    Args:
        parent: the process id of the one that forked this process.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before we could ask for that
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Fork in this block: a signal that came before the child hears for itself would be lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear_for_itself() -> None:
    """In a process that was just forked: let go of the parent's signal handlers."""
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def stand_back(pid: int, niceness: int) -> None:
    """Give a process its niceness, and its session too.

    Where Linux groups processes by session, which is usual, it weighs the niceness of a process against others of its
    session only: see sched(7), "The autogroup feature".
    """
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    with suppress(OSError):  # another system, or one without this feature
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def _live(command: Command, main: Main, log: int, ready: int, put_on_leash: Callable[[], None]) -> None:
    os.setsid()
    put_on_leash()
    hear_for_itself()
    _keep_only(log, ready)
    announce_to(_READY_PIPE, command.name)
    os.environ.update(command.environment)
    sys.argv[:] = ["quietcorner", *command.arguments]
    setproctitle(" ".join(sys.argv))
    stand_back(os.getpid(), os.getpriority(os.PRIO_PROCESS, 0) + command.niceness)
    main(command.arguments)


def _keep_only(log: int, ready: int) -> None:
    """Let go of all that the parent has open but these two.

    Its lock on the data folder would outlive it by us, and its leash would not see it go.
    """
    for stream in _STANDARD_STREAMS:
        os.dup2(log, stream)
    os.dup2(ready, _READY_PIPE)
    os.closerange(_READY_PIPE + 1, os.sysconf("SC_OPEN_MAX"))
