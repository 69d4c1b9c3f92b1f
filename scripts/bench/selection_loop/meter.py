"""A clock that also sees how much memory was taken between two looks at it."""

import time
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak of the resident set starts anew
_KIB_PER_MIB = 1024


class Meter:
    """Gives seconds when called, and keeps how far the resident set rose since the call before.

    Attributes:
        rises_mib: One entry a call, MiB above what was in use at the call before; None where the system does not tell
            (it takes Linux). Memory that the process held already and used again does not count.
    """

    def __init__(self) -> None:
        """Start at what is in use now."""
        self.rises_mib: list[float | None] = []
        self._start = _reset_peak()

    def __call__(self) -> float:
        """Seconds on a clock that only goes forward."""
        peak = _read("VmHWM") if self._start is not None else None
        self.rises_mib.append(None if peak is None or self._start is None else max(0.0, peak - self._start))
        self._start = _reset_peak()
        return time.perf_counter()


def _reset_peak() -> float | None:
    """Set the peak back to what is in use, and tell that in MiB."""
    try:
        _RESET.write_text(_RESET_PEAK)
    except OSError:
        return None
    return _read("VmRSS")


def _read(name: str) -> float | None:
    try:
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name + ":"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) / _KIB_PER_MIB
