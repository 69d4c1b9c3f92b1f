"""A process that may take only so much time and memory: what it said, or why it was ended."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from scripts.bench.scale_loop.memory import held_bytes

_LOOK_S = 0.05
_GIB = 1024**3
_CLOCK = 20
_TICKS_S = os.sysconf("SC_CLK_TCK")
# Of the fields of /proc/PID/stat that follow the name, those of the process's and the system's time for it.
_USED = slice(11, 13)


@dataclass(frozen=True)
class Bounds:
    """What a process may take.

    Attributes:
        seconds: Of the processor; by the clock twenty times as many, which only one that hangs takes.
        gib: Memory of its own, in GiB; pages of mapped files, which the system can drop, are not counted.
    """

    seconds: float
    gib: float


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        said: Its standard output.
        stopped: Why it came to no end of its own, in a few words; None where it did.
    """

    said: str
    stopped: str | None = None


def run(command: Sequence[str], bounds: Bounds) -> Ended:
    """Run a command on one thread, and end it when it goes beyond its bounds.

    One thread, since several on a busy machine wait for the slowest, and the processor's seconds then say nothing.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with TemporaryFile("w+") as said, TemporaryFile("w+") as complained:
        process = subprocess.Popen(command, stdout=said, stderr=complained, env=environment)
        try:
            stopped = _watch(process, bounds)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        complained.seek(0)
        if stopped is None and process.returncode:
            stopped = _last_line(complained.read()) or f"ended with {process.returncode}"
        return Ended(said.read(), stopped)


def _watch(process: "subprocess.Popen[bytes]", bounds: Bounds) -> str | None:
    end = time.monotonic() + _CLOCK * bounds.seconds
    while process.poll() is None:
        if _cpu_s(process.pid) > bounds.seconds or time.monotonic() > end:
            return f"time: over {bounds.seconds:,.0f} s"
        if held_bytes(process.pid)[0] > bounds.gib * _GIB:
            return f"memory: over {bounds.gib:g} GiB"
        time.sleep(_LOOK_S)
    return None


def _cpu_s(pid: int) -> float:
    """Seconds of the processor that a process took; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[_USED])) / _TICKS_S


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
