"""What benches need of the machine."""

import os
import platform
import socket


def machine() -> str:
    """Its cores and its Python, as tables name them."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
