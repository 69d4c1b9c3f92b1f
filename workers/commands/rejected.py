"""Rejected rows: what a command could not take from a file, beside that file, each with its line and the reason."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from shared.errors import InvalidInputError
from workers.intake.readers import RejectedRow

SUFFIX = ".rejected.jsonl"


def rejected_file(file: Path) -> Path:
    """Where the rejected rows of a file stand."""
    return file.parent / (file.name + SUFFIX)  # `.` has no name, and is told to be a folder by who reads it


def is_rejected_file(file: Path) -> bool:
    """Whether a file holds what an earlier run rejected, by its name."""
    return file.name.endswith(SUFFIX)


class RejectedRows:
    """The rejected rows of one run, in a file that holds those of no earlier run; without any, no file is made."""

    def __init__(self, path: Path) -> None:
        """Forget the rejected rows of an earlier run at `path`, where they can be removed."""
        self.path = path
        self._mode = "w"
        # Where nothing can be written, as on a read-only medium, a file without a bad row can be read all the same.
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def append(self, rows: Mapping[int, RejectedRow]) -> None:
        """Write down rejected rows, by their lines. Raises `InvalidInputError` where that can't be done."""
        if not rows:
            return
        try:
            # A lone surrogate, which UTF-8 can't hold, becomes the JSON escape that it is written as.
            with self.path.open(self._mode, encoding="utf-8", errors="backslashreplace") as file:
                for line, rejected in sorted(rows.items()):
                    entry = {"line": line, "reason": rejected.reason, "row": rejected.row}
                    file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            first = min(rows)
            raise InvalidInputError(
                f"{self.path}: the rejected rows can't be written: {error}. The first of them is line {first:,}: "
                f"{rows[first].reason}. Mend it, or put the file into a folder that you may write to, and give it "
                "again."
            ) from error
        self._mode = "a"
