"""Rejected rows stand beside their file, in one format, whichever command could not take them."""

import errno
import json
import os
from pathlib import Path

import pytest

from shared.database import Database
from tests.workers.commands.command_line import CommandLine, cli
from tests.workers.intake.test_ingest import make_project
from workers.commands import rejected
from workers.intake.readers import RejectedRow

__all__ = ["cli"]


def test_rows_are_appended_by_line_until_another_run_begins(tmp_path: Path) -> None:
    path = rejected.rejected_file(tmp_path / "items.csv.gz")
    assert path == tmp_path / "items.csv.gz.rejected.jsonl"
    assert rejected.is_rejected_file(path)

    run = rejected.RejectedRows(path)
    run.append({})
    assert not path.exists()
    run.append({7: RejectedRow("no text", "{}"), 2: RejectedRow("half a character", "\ud800")})
    run.append({9: RejectedRow("no text", "[]")})
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"line": 2, "reason": "half a character", "row": "\ud800"}
    assert [row["line"] for row in rows] == [2, 7, 9]

    rejected.RejectedRows(path)
    assert not path.exists()


def test_a_folder_is_told_to_be_one_also_where_it_has_no_name(cli: CommandLine, database: Database) -> None:
    make_project(database)
    run = cli("ingest", "tickets", ".")
    assert (run.code, "folder" in run.err or "directory" in run.err) == (2, True), run.err


def test_what_cannot_be_removed_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "items.csv.rejected.jsonl"
    path.write_text("of an earlier run\n", encoding="utf-8")
    monkeypatch.setattr(Path, "unlink", _refuse)
    run = rejected.RejectedRows(path)
    run.append({1: RejectedRow("no text", "{}")})
    run.append({2: RejectedRow("no text", "{}")})

    assert [json.loads(line)["line"] for line in path.read_text(encoding="utf-8").splitlines()] == [1, 2]


@pytest.mark.parametrize("command", ["ingest", "submit"])
def test_a_file_without_a_bad_row_is_taken_where_nothing_can_be_written(
    command: str, cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "a", "text": "Some text", "label": "fraud"}\n')
    cli("ingest", "tickets", file)
    Path(f"{file}.rejected.jsonl").mkdir()

    assert cli(command, "tickets", file).code == 0


@pytest.mark.parametrize("command", ["ingest", "submit"])
def test_both_commands_say_the_same_when_the_file_cannot_be_written(
    command: str, cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = tmp_path / "rows.jsonl"
    file.write_text("{broken")
    Path(f"{file}.rejected.jsonl").mkdir()

    run = cli(command, "tickets", file)

    assert run.code == 2
    assert f"{file}.rejected.jsonl: the rejected rows can't be written" in run.err
    assert "The first of them is line 1: not valid JSON" in run.err


@pytest.mark.parametrize("command", ["ingest", "submit"])
def test_both_commands_write_the_same_about_a_broken_row(
    command: str, cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'\n{broken\n"\xff"\n')

    cli(command, "tickets", file)

    rows = [json.loads(line) for line in Path(f"{file}.rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["line"], row["row"]) for row in rows] == [(2, "{broken"), (3, '"\N{REPLACEMENT CHARACTER}"')]
    assert [row["reason"].split(":")[0] for row in rows] == ["not valid JSON", "not valid UTF-8 at byte 2 of the line"]


def _refuse(path: Path, **_: bool) -> None:
    """As a read-only medium does, whether the file is there or not."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
