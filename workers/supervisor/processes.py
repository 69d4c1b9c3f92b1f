"""The children of `quietcorner up`: started, started again when they die, and ended together."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.supervisor.command import Command
from workers.supervisor.forked import ForkedProcess, stand_back
from workers.supervisor.leash import Leash

GRACE_S = 30.0
"""A child has this long to end after SIGTERM."""

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 10.0
# A child that lived this long has proven that it can: its next death is not counted with those before.
_SETTLED_AFTER_S = 60.0
_LOOK_INTERVAL_S = 0.05
_PIPE_BYTES = 4096


@dataclass
class _Child:
    command: Command
    process: subprocess.Popen[bytes] | ForkedProcess
    started_at: float
    deaths: int = 0
    due_at: float | None = None
    """When to start it again; None while it runs."""


class Children:
    """Child processes, each in a session of its own, so that a terminal's Ctrl-C reaches only the supervisor.

    Use it as a context: at its end no child is left. If the supervisor is killed, its leash kills the children.
    """

    def __init__(self, log_folder: Path, *, tell: Callable[[str], None]) -> None:
        """Prepare; each child's output is appended to `log_folder/NAME.log`, and `tell` hears of every death."""
        self._log_folder = log_folder
        self._tell = tell
        self._children: dict[str, _Child] = {}

    def __enter__(self) -> Self:
        """Put the leash on."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        self._leash = Leash()
        self._heard, self._ready = os.pipe()
        os.set_blocking(self._heard, False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End whoever still runs."""
        self.end()
        self._leash.close()
        os.close(self._heard)
        os.close(self._ready)

    def start(self, command: Command) -> None:
        """Start a child."""
        self._children[command.name] = _Child(command, self._spawn(command), time.monotonic())

    def pid(self, name: str) -> int | None:
        """The process id of a child; None while it is dead."""
        child = self._children[name]
        return child.process.pid if child.due_at is None and child.process.poll() is None else None

    def ready(self) -> set[str]:
        """Names of the forked children that have said since the last call that they are ready."""
        try:
            return set(os.read(self._heard, _PIPE_BYTES).decode().split())
        except BlockingIOError:
            return set()

    def tend(self) -> None:
        """Look once at every child: bury the dead, and start again whoever is due. Call it a few times a second."""
        self._leash.mend()
        for child in self._children.values():
            if child.due_at is None:
                if child.process.poll() is not None:
                    self._bury(child)
            elif time.monotonic() >= child.due_at:
                self._revive(child)

    def end(self, *, grace_s: float = GRACE_S, hurry: Callable[[], bool] = lambda: False) -> None:
        """End all children: SIGTERM, then SIGKILL after `grace_s` or as soon as `hurry()` is true. Servers go last."""
        running = [child for child in self._children.values() if child.due_at is None]
        for serves_others in (False, True):
            wave = [child for child in running if child.command.serves_others is serves_others]
            self._end_wave(wave, grace_s=grace_s, hurry=hurry)
        self._children.clear()

    def _end_wave(self, wave: list[_Child], *, grace_s: float, hurry: Callable[[], bool]) -> None:
        for child in wave:
            child.process.terminate()  # the process, not its group: a worker ends its pool by itself
        deadline = time.monotonic() + grace_s
        while any(child.process.poll() is None for child in wave) and time.monotonic() < deadline and not hurry():
            time.sleep(_LOOK_INTERVAL_S)
        for child in wave:
            if child.process.poll() is None:
                self._tell(f"{child.command.name} did not end by itself and was killed")
            self._clear_away(child)

    def _spawn(self, command: Command) -> subprocess.Popen[bytes] | ForkedProcess:
        with self._log(command).open("ab") as log:
            if command.main is not None:
                forked = ForkedProcess(
                    command, command.main, log=log.fileno(), ready=self._ready, put_on_leash=self._leash.put_on
                )
                self._leash.hold(forked.pid)
                return forked
            try:
                process = subprocess.Popen(
                    command.arguments,
                    env={**os.environ, **command.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=self._leash.put_on,  # safe here: who forks has one thread
                )
            except OSError:
                self._leash.forget_the_unborn()
                raise
        self._leash.hold(process.pid)
        stand_back(process.pid, os.getpriority(os.PRIO_PROCESS, 0) + command.niceness)
        return process

    def _bury(self, child: _Child) -> None:
        if time.monotonic() - child.started_at > _SETTLED_AFTER_S:
            child.deaths = 0
        last = last_line(self._log(child.command))
        self._tell(f"{child.command.name} ended ({_manner(child.process.wait())})" + (last and f": {last}"))
        self._clear_away(child)
        self._put_off(child)

    def _revive(self, child: _Child) -> None:
        try:
            child.process = self._spawn(child.command)
        except OSError as error:  # no memory or no process to be had at this moment
            self._tell(f"{child.command.name} can't be started: {error}")
            self._put_off(child)
        else:
            child.started_at, child.due_at = time.monotonic(), None
            self._tell(f"{child.command.name} started again (log: {self._log(child.command)})")

    def _put_off(self, child: _Child) -> None:
        child.due_at = time.monotonic() + restart_delay_s(child.deaths)
        child.deaths += 1

    def _clear_away(self, child: _Child) -> None:
        """Kill what is left of the child's process group, such as the pool of a worker that was killed."""
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM when only zombies are left
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        self._leash.release(child.process.pid)

    def _log(self, command: Command) -> Path:
        return self._log_folder / f"{command.name}.log"


def restart_delay_s(deaths: int) -> float:
    """Seconds to wait before a start, after so many earlier deaths in a row: 0.5, 1, 2 ... up to 10."""
    return min(_FIRST_DELAY_S * 2.0 ** min(deaths, 10), _LONGEST_DELAY_S)


def last_line(log: Path) -> str:
    """The last line of a log that isn't blank, shortened; empty when there is none, or somebody moved the log away."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line[:200] for line in reversed(lines) if line), "")


def _manner(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    named = -returncode in {known.value for known in signal.Signals}  # real-time ones mostly are not
    return signal.Signals(-returncode).name if named else f"signal {-returncode}"
