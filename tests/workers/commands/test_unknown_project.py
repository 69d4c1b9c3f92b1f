"""A project that does not exist is one clear error, whichever command is asked for it."""

from pathlib import Path

import pytest

from shared.database import Database
from tests.workers.commands.command_line import CommandLine, cli
from tests.workers.intake.test_ingest import make_project

__all__ = ["cli"]


@pytest.mark.parametrize(
    "command",
    [
        ("ingest", "nothing", "{file}"),
        ("submit", "nothing", "{file}"),
        ("status", "nothing"),
        ("explain", "nothing", "one"),
        ("imbalance", "nothing"),
        ("export", "nothing"),
        ("report", "nothing"),
        ("batch", "next", "nothing"),
        ("batch", "show", "nothing"),
        ("project", "show", "nothing"),
    ],
    ids=" ".join,
)
def test_it_is_named_beside_those_that_exist(
    command: tuple[str, ...], cli: CommandLine, database: Database, tmp_path: Path
) -> None:
    make_project(database)
    file = tmp_path / "rows.jsonl"
    file.write_text('{"id": "one", "text": "one", "label": "common"}\n')
    run = cli(*(word.format(file=file) for word in command))
    assert run.code == 3
    assert "error: there is no project 'nothing' (projects: tickets)." in run.err
    assert sorted(path.name for path in tmp_path.glob("rows*")) == ["rows.jsonl"]
