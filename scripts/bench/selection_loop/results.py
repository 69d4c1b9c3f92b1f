"""The file of results: one record a line, appended as it comes, so that a run can be interrupted and goes on."""

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from scripts.bench.selection_loop.record import Cell, Record
from shared.errors import InvalidInputError


class Results:
    """Records in a file."""

    def __init__(self, path: Path) -> None:
        """Use a file, which need not be there yet."""
        self.path = path

    def read(self) -> dict[Cell, Record]:
        """All records by cell; of two of the same cell, the later.

        Raises:
            InvalidInputError: a line is not a record. The last one may be cut short: it is ignored.
        """
        records: dict[Cell, Record] = {}
        lines = self._lines()
        for number, line in enumerate(lines, start=1):
            try:
                record = Record.model_validate_json(line)
            except ValidationError as error:
                if number == len(lines) and not line.endswith("\n"):
                    break
                raise InvalidInputError(
                    f"{self.path}, line {number}: not a record of this bench. Give another folder: --out"
                ) from error
            records[record.cell] = record
        return records

    def append(self, record: Record) -> None:
        """Add a record; it is in the file when this returns."""
        self._mend_end()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(record.model_dump_json() + "\n")

    def forget(self, cells: Iterable[Cell]) -> int:
        """Drop the records of cells that are to be run again; returns how many there were."""
        dropped, records = set(cells), self.read()
        kept = [record for cell, record in records.items() if cell not in dropped]
        if len(kept) < len(records):
            unfinished = self.path.with_suffix(".new")
            unfinished.write_text("".join(record.model_dump_json() + "\n" for record in kept), encoding="utf-8")
            unfinished.replace(self.path)
        return len(records) - len(kept)

    def _lines(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="\n") as stream:
            return list(stream)

    def _mend_end(self) -> None:
        """Cut off what a killed process left of a line."""
        lines = self._lines() if self.path.exists() and not _ends_a_line(self.path) else []
        if lines:
            os.truncate(self.path, sum(len(line.encode()) for line in lines[:-1]))


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return True
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
