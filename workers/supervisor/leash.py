"""The leash: a process of its own that ends the children when their supervisor is gone.

Each child names its process group to this process, by the supervisor's pipe, before it does anything else (`?123`). The
supervisor names it as well (`+123`), and again when it has ended (`-123`). However the supervisor goes, `kill -9`
included, the kernel then closes the pipe, and what is still on the leash is killed. A child that is being forked at
that moment holds the pipe open until it has named itself, so that none slips through. Nothing is lost by that: a killed
worker's lease runs out, and what the last seconds of Redis' append-only file lack (it answers before it writes while
the disk is slow) is sent again for want of a receipt or queued anew by the sweep. One process serves all children and
the children of these, on every POSIX system.

It is run as a file, with the standard library only, so that it starts at once.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress


class Leash:
    """The supervisor's end of the leash."""

    def __init__(self) -> None:
        """Start the other end."""
        self._held: set[int] = set()
        self._process, self._pipe = _start()

    def hold(self, group: int) -> None:
        """Kill this process group when we are gone."""
        self._held.add(group)
        self._write(b"+%d\n" % group)

    def put_on(self) -> None:
        """In a child that was just forked, and has a session of its own: have it killed when its supervisor is gone."""
        before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # with nobody at the other end it would die of this
        self._write(b"?%d\n" % os.getpid())
        signal.signal(signal.SIGPIPE, before)

    def forget_the_unborn(self) -> None:
        """The child that was being started has ended before it was one of ours."""
        self._write(b"!\n")

    def release(self, group: int) -> None:
        """The group has ended."""
        self._held.discard(group)
        self._write(b"-%d\n" % group)

    def mend(self) -> None:
        """Start the other end again if somebody killed it."""
        if self._process.poll() is None:
            return
        os.close(self._pipe)
        self._process, self._pipe = _start()
        for group in self._held:
            self._write(b"+%d\n" % group)

    def close(self) -> None:
        """End the other end. A group that is still held is killed."""
        os.close(self._pipe)
        self._process.wait()

    def _write(self, line: bytes) -> None:
        with suppress(BrokenPipeError):  # `mend` says it all again
            os.write(self._pipe, line)


def _start() -> tuple[subprocess.Popen[bytes], int]:
    reading, writing = os.pipe()  # no program inherits these, and who is forked lets go of them
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(reading)
    return process, writing


def still_held(lines: Iterable[str]) -> set[int]:
    """The process groups that were named, by the supervisor or by themselves, and not with `-` after that."""
    held: set[int] = set()
    unborn: set[int] = set()
    for line in lines:
        if line.startswith("!"):
            unborn.clear()
        elif line.startswith("?"):
            unborn.add(int(line[1:]))
        else:
            group = abs(int(line))
            unborn.discard(group)
            (held.discard if line.startswith("-") else held.add)(group)
    return held | unborn


def main() -> None:
    """The other end: wait until the pipe is closed, then kill."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it has to outlive the supervisor
    for group in still_held(sys.stdin):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
