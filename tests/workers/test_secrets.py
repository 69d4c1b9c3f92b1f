"""Passwords and tokens stand in no message, no log and no answer, whatever goes wrong."""

import json
import logging
from pathlib import Path

import pytest

from shared.database import Database
from shared.errors import QuietCornerError
from shared.logs import configure_logs
from shared.settings import Settings, load_settings
from shared.streams import connect, reachable
from shared.tokens import Scope, parse
from tests.workers.commands.command_line import CommandLine
from tests.workers.gateway.server import answer, served
from workers.app import app
from workers.hints import broker_is_up
from workers.supervisor import plan

SECRET = "pa55-Wort+%21"  # noqa: S105 - it opens nothing
NOBODY = "127.0.0.1:1"

DATABASES = (
    f"postgresql://user:{SECRET}@{NOBODY}/name",
    f"postgresql://user:{SECRET}@{NOBODY}/name?sslmode=verify-full",
    f"postgresql://{NOBODY}/name?user=me&password={SECRET}",
    f"postgresql://user:{SECRET}@{NOBODY}/name?bogus=1",
    f"mysql://user:{SECRET}@{NOBODY}/name",
    f"postgresql:user:{SECRET}@{NOBODY}",
    f"postgresql://user:{SECRET}@host:port/name",
)
REDISES = (
    f"redis://:{SECRET}@{NOBODY}/0",
    f"rediss://me:{SECRET}@{NOBODY}/0",
    f"redis://{NOBODY}/0?password={SECRET}",
    f"redis://:{SECRET}@{NOBODY}/0?bogus=1",
    f"redis//:{SECRET}@{NOBODY}",
    f"redis://:{SECRET}@host:port",
)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(tmp_path / "data"))
    return CommandLine(monkeypatch, capfd)


@pytest.mark.parametrize("url", DATABASES)
def test_the_password_of_a_database_is_in_no_message(
    url: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    for command in (("project", "list"), ("backup", "x.zip"), ("token", "list")):
        run = cli(*command)
        assert run.code in (2, 4)
        assert SECRET not in run.out + run.err
        assert run.err.startswith("error: ")


@pytest.mark.parametrize("url", REDISES)
def test_the_password_of_redis_is_in_no_message(
    url: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    run = cli("doctor")
    assert run.code == 1
    assert SECRET not in run.out + run.err
    if "error" in cli("project", "list").err:  # no URL of a Redis at all
        return
    settings = load_settings()
    configure_logs(settings)
    assert not broker_is_up(settings)
    with pytest.raises(QuietCornerError) as told, reachable(settings), connect(settings) as client:
        client.ping()
    assert SECRET not in str(told.value) + "".join(capfd.readouterr())


def test_celery_shows_its_broker_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), app.connection_for_read(f"redis://:{SECRET}@{NOBODY}/0") as broker:
        with pytest.raises(Exception, match="Connection refused"):
            broker.ensure_connection(max_retries=1, interval_start=0)
        assert SECRET not in broker.as_uri() + repr(broker) + caplog.text


def test_a_child_gets_its_passwords_by_its_environment_and_not_by_its_command_line(tmp_path: Path) -> None:
    changes = {"database_url": DATABASES[0], "redis_url": REDISES[0], "http_port": 8000, "data_dir": tmp_path}
    settings = load_settings().model_copy(update=changes)
    for command in plan.commands(settings, ("intake",)):
        assert SECRET not in json.dumps([str(word) for word in command.arguments])
        assert command.environment["DATABASE_URL"] == DATABASES[0]


def test_a_token_is_in_no_log_and_no_answer(
    database: Database, redis_settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_logs(redis_settings.model_copy(update={"log_level": "DEBUG"}))
    with served(database, redis_settings) as api:
        token = api.token(Scope.ANNOTATE)
        _, secret = parse(token) or (0, "")
        texts = []
        for path, body in (("submissions", answer()), ("submissions", {}), ("items", {}), ("leases", {"annotator": 1})):
            texts.append(api.ask("POST", path, body, token=token).text)
            texts.append(api.ask("POST", path, body, token=token + "x").text)
        monkeypatch.setattr("workers.gateway.leasing.take", _fail)
        failed = api.ask("POST", "leases", {"annotator": "anna"}, token=token)
        assert failed.status_code == 500
        texts += [failed.text, "".join(capfd.readouterr()), str([letter.payload for letter in api.dead()])]
    assert "http.failed" in texts[-2]
    assert all(secret not in text for text in texts)


def _fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError("by the test")
