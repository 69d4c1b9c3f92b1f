"""Running `quietcorner` commands in this process, on a test's database and without Redis."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shared.database import Database
from workers.cli import app


@pytest.fixture
def there(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """The test's database as the one in force; the working folder is empty, and no Redis answers."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("REDIS_URL", raising=False)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return database


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    """Run a command that is expected to end well."""
    result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result
