"""Rejected rows: what a command could not take from a file, beside that file, each with its line and the reason."""

import json
from collections.abc import Mapping
from pathlib import Path

from shared.errors import InvalidInputError
from workers.intake.readers import RejectedRow

SUFFIX = ".rejected.jsonl"


def rejected_file(file: Path) -> Path:
    """Where the rejected rows of a file stand."""
    return file.with_name(file.name + SUFFIX)


def is_rejected_file(file: Path) -> bool:
    """Whether a file holds what an earlier run rejected, by its name."""
    return file.name.endswith(SUFFIX)


def begin(path: Path) -> None:
    """Forget the rejected rows of an earlier run. Raises `InvalidInputError`."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def append(path: Path, rows: Mapping[int, RejectedRow]) -> None:
    """Write down rejected rows, by their lines; without any, no file is made. Raises `InvalidInputError`."""
    if not rows:
        return
    try:
        # A lone surrogate, which UTF-8 can't hold, becomes the JSON escape that it is written as.
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            for line, rejected in sorted(rows.items()):
                entry = {"line": line, "reason": rejected.reason, "row": rejected.row}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InvalidInputError:
    return InvalidInputError(
        f"{path}: the rejected rows can't be written: {error}. Put the file into a folder that you may write to."
    )
