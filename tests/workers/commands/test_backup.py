"""`quietcorner backup` and `quietcorner restore`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shared.database import open_database
from shared.errors import DataFolderHeldError, InvalidInputError
from shared.settings import Settings
from tests.workers.reporting.example import NAME, make_example
from workers.cli import app
from workers.supervisor import folder_lock


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(settings.folder))
    make_example(open_database(settings))


def _run(*arguments: str | Path, folder: Path | None = None) -> Any:
    env = {"QUIETCORNER_DATA_DIR": str(folder)} if folder else {}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


def test_a_project_goes_on_in_a_new_data_folder(tmp_path: Path) -> None:
    done = _run("backup", tmp_path / "copy.zip")
    assert done.exit_code == 0, done.output
    assert "rows of" in done.output
    done = _run("restore", tmp_path / "copy.zip", folder=tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert "restored" in done.output
    there, here = _run("status", NAME, "--json", folder=tmp_path / "new"), _run("status", NAME, "--json")
    assert json.loads(there.output)["items"] == json.loads(here.output)["items"]


def test_machines_are_told_what_a_backup_holds(tmp_path: Path) -> None:
    told = json.loads(_run("backup", tmp_path / "copy.zip", "--json").output)
    assert told["bytes"] == (tmp_path / "copy.zip").stat().st_size
    assert {part["table"]: part["rows"] for part in told["parts"]}["project"] == 1
    again = json.loads(_run("restore", tmp_path / "copy.zip", "--json", folder=tmp_path / "new").output)
    assert again["parts"] == told["parts"]


def test_who_restores_is_told_that_tokens_revoked_since_are_live_again(tmp_path: Path) -> None:
    _run("token", "create", "tool", "--scope", "read")
    _run("backup", tmp_path / "copy.zip")
    _run("token", "revoke", "1")
    done = _run("restore", tmp_path / "copy.zip", folder=tmp_path / "new")
    assert "1 token(s) of the HTTP API are live" in done.stderr
    _run("backup", tmp_path / "later.zip")
    assert "token" not in _run("restore", tmp_path / "later.zip", folder=tmp_path / "newer").output


def test_a_backup_is_not_restored_over_a_project(tmp_path: Path) -> None:
    _run("backup", tmp_path / "copy.zip")
    refused = _run("restore", tmp_path / "copy.zip")
    assert isinstance(refused.exception, InvalidInputError)
    assert "new data folder" in str(refused.exception)


def test_a_folder_that_is_in_use_takes_no_backup(tmp_path: Path) -> None:
    _run("backup", tmp_path / "copy.zip")
    with folder_lock.hold(tmp_path / "new"):
        refused = _run("restore", tmp_path / "copy.zip", folder=tmp_path / "new")
    assert isinstance(refused.exception, DataFolderHeldError)
