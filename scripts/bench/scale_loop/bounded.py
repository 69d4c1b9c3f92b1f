"""A process that may take only so much time and memory: what it said, or why it was ended."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile

from scripts.bench.scale_loop.memory import held_bytes

_LOOK_S = 0.05
_GIB = 1024**3


@dataclass(frozen=True)
class Bounds:
    """What a process may take.

    Attributes:
        seconds: By the clock.
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
    end = time.monotonic() + bounds.seconds
    while process.poll() is None:
        if time.monotonic() > end:
            return f"time: over {bounds.seconds:,.0f} s"
        if held_bytes(process.pid)[0] > bounds.gib * _GIB:
            return f"memory: over {bounds.gib:g} GiB"
        time.sleep(_LOOK_S)
    return None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
