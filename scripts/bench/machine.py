"""What benches need of the machine."""

import os
import platform
import socket
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
# What multiplies most at once, the best first: by it machines with as many cores differ most.
_UNITS = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2"}


def machine() -> str:
    """Its cores and its Python, as tables name them."""
    return f"{os.cpu_count()} cores, {platform.machine()}{_units()}, Python {platform.python_version()}"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _units() -> str:
    """What its cores multiply with, where Linux on x86 tells."""
    told = _CPU_INFO.read_text() if _CPU_INFO.is_file() else ""
    flags = next((line for line in told.splitlines() if line.startswith("flags")), "").split()
    best = next((name for flag, name in _UNITS.items() if flag in flags), None)
    return f" with {best}" if best else ""
