"""Where a command writes lines to."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from shared.errors import InvalidInputError


@contextmanager
def destination(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is there only once it is whole."""
    if out is None:
        yield sys.stdout
        return
    unfinished = out.with_name(out.name + ".part")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            yield file
        unfinished.replace(out)
    except OSError as error:
        raise InvalidInputError(f"{out}: can't be written: {error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()
