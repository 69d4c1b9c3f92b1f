"""Rejected rows stand beside their file, in one format, whichever command could not take them."""

import json
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

    rejected.begin(path)
    rejected.append(path, {})
    assert not path.exists()
    rejected.append(path, {7: RejectedRow("no text", "{}"), 2: RejectedRow("half a character", "\ud800")})
    rejected.append(path, {9: RejectedRow("no text", "[]")})
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0] == {"line": 2, "reason": "half a character", "row": "\ud800"}
    assert [row["line"] for row in rows] == [2, 7, 9]

    rejected.begin(path)
    assert not path.exists()


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
