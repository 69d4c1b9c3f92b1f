"""The `quietcorner` command from arguments to exit code: in this process, on a test's database, without Redis."""

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from workers.cli import main


class Run(NamedTuple):
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs `quietcorner ARGUMENTS` as the installed command does, errors and exit codes included."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: str | Path) -> Run:
        self._monkeypatch.setattr(sys, "argv", ["quietcorner", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Run(stop.value.code, out, err)


@pytest.fixture
def cli(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line on the test's database."""
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("REDIS_URL", raising=False)
    return CommandLine(monkeypatch, capsys)
