"""How a process that `quietcorner up` forked tells it that it is at work."""

import os

_pipe: int | None = None
_name = ""


def announce_to(pipe: int, name: str) -> None:
    """From now on `say_ready` in this process, and in those forked from it, writes `name` and a newline there."""
    global _pipe, _name
    _pipe, _name = pipe, name


def say_ready() -> None:
    """Say that this process is at work; to nobody where `quietcorner up` did not fork it."""
    if _pipe is not None:
        os.write(_pipe, f"{_name}\n".encode())
