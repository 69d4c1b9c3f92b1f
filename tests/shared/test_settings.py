"""A setting that can't be used is an error at once, in words, whichever command meets it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.settings import Settings, load_settings
from tests.workers.commands.command_line import CommandLine

COMMANDS = (
    ("project", "list"),
    ("ingest", "tickets", "items.jsonl"),
    ("submit", "tickets", "labels.jsonl"),
    ("status", "tickets"),
    ("batch", "next", "tickets"),
    ("export", "tickets"),
    ("report", "tickets"),
    ("up",),
    ("worker", "--queues", "intake"),
    ("beat",),
    ("listen",),
    ("serve",),
    ("token", "list"),
)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(tmp_path / "data"))
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_that_is_none_is_named_with_its_variable_and_what_is_expected(
    variable: str, command: tuple[str, ...], cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, "nonsense")
    run = cli(*command)
    assert run.code == 2
    assert f"error: {variable} = 'nonsense': " in run.err
    assert "is expected. Mend this environment variable." in run.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("QUIETCORNER_LANE_LEASE_S", "soon", "valid number"),
        ("QUIETCORNER_COMPUTE_THREADS", "0", "greater than or equal to 1"),
        ("QUIETCORNER_LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_any_other_setting_is_named_as_it_is_written(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"(?s){variable} = '{value}': .*{allowed}"):
        load_settings()


def test_all_faults_are_told_at_once_and_no_password_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://user:secret@host/name")
    monkeypatch.setenv("REDIS_URL", "redis://:secret@host:port")
    with pytest.raises(ConfigError) as raised:
        load_settings()
    assert str(raised.value).count("Mend this environment variable.") == 2
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "in_force"),
    [
        ("DATABASE_URL", lambda: load_settings().database_url),
        ("REDIS_URL", lambda: load_settings().redis_url),
    ],
)
def test_an_empty_variable_counts_as_not_set(
    variable: str, in_force: Callable[[], str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "")
    assert in_force() is None


@pytest.mark.parametrize(("folder", "temporary"), [("d" * 120, "/tmp"), ("d" * 120, "/tmp/" + "t" * 120)])  # noqa: S108 - only named
def test_the_socket_of_the_embedded_redis_has_a_path_that_the_system_takes(
    folder: str, temporary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", temporary)
    settings = Settings(data_dir=Path("/srv") / folder)
    other = Settings(data_dir=Path("/srv") / folder / "other")
    assert len(str(settings.redis_socket)) <= 100
    assert settings.redis_socket != other.redis_socket
