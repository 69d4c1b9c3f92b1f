"""What memory a process holds, as Linux counts it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 0.02
_KIB, _MIB = 1024, 1024**2


def held_bytes(pid: int | str = "self") -> tuple[int, int]:
    """Memory of a process's own, and with the pages of mapped files that are in use; nothing of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split(":", 1) for line in lines)
    own, all_ = (int(found.get(name, "0").split()[0]) * _KIB for name in ("RssAnon", "VmRSS"))
    return own, all_


class Peak:
    """The largest parts of this process's memory while it watches.

    Attributes:
        own_mib: memory of its own, which the system can't drop.
        all_mib: with the pages of mapped files that are in use, which it can.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.own_mib = self.all_mib = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the memory every few milliseconds."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_EVERY_S):
                self._look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._look()

    def _look(self) -> None:
        own, all_ = held_bytes()
        self.own_mib, self.all_mib = max(self.own_mib, own / _MIB), max(self.all_mib, all_ / _MIB)
