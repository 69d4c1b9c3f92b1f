"""What a process does when it is ready for work: among others, to tell `quietcorner up` where that forked it."""

import gc
import os

_pipe: int | None = None
_name = ""


def announce_to(pipe: int, name: str) -> None:
    """From now on `say_ready` in this process, and in those forked from it, writes `name` and a newline there."""
    global _pipe, _name
    _pipe, _name = pipe, name


def say_ready() -> None:
    """Say that this process is at work; to nobody where `quietcorner up` did not fork it."""
    # What is loaded now stays to the end. The collector would look through all of it again and again, and keep whoever
    # waits for an answer waiting meanwhile: 150 ms every few seconds under load.
    gc.collect()
    gc.freeze()
    if _pipe is not None:
        os.write(_pipe, f"{_name}\n".encode())
