"""`quietcorner doctor`, on real parts that are well and on parts that are not."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import text
from typer.testing import CliRunner

from shared.database import Database, open_database
from shared.settings import Settings
from shared.streams import tasks_key
from tests.workers.intake.test_ingest import item, make_project, store
from workers.app import app as celery
from workers.cli import app
from workers.context import context

_REASON: dict[str, Any] = {
    **{"channel": "audit", "score": None, "rank": 1, "cluster": None, "predicted": None, "probability": None},
    **{"rules": [], "inclusion": 0.5, "model": None, "encoder": "words@1", "seed": 0},
}
_A_BATCH = """
    INSERT INTO batch (id, project_id, round, seed, submissions_seen, wanted, chosen, shortfalls, audit, division, done,
    stopping, train_s, select_s, selected_at)
    VALUES (1, :project, 1, 0, 0, 2, 2, :none, :nothing, :nothing, :none, :nothing, 0, 0, 0)"""
_ASSIGNMENTS = """
    INSERT INTO assignment (id, project_id, batch, item, slot, rank, reason, state, lease)
    SELECT id, project_id, 1, id, 0, 1, :reason, 'open', 0 FROM item WHERE project_id = :project"""


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", str(settings.folder))


def _examine(*, exit_code: int) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == exit_code, done.output
    return {check["name"]: check for check in json.loads(done.output)}


def test_an_untouched_machine_is_well_and_stays_untouched(settings: Settings) -> None:
    checks = _examine(exit_code=0)
    assert list(checks) == [
        *("Python", "settings", "data folder", "disk", "database", "Redis server", "Redis", "encoder all-MiniLM-L6-v2")
    ]
    assert {name for name, check in checks.items() if check["level"] != "ok"} == {"Redis"}
    assert (checks["Redis"]["level"], checks["Redis"]["mend"]) == ("warn", "quietcorner up")
    assert not settings.folder.exists()


def test_people_get_a_table_with_the_same_facts() -> None:
    done = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "quietcorner up" in done.output
    assert "all-MiniLM-L6-v2" in done.output


def test_a_database_in_use_is_described(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    check = _examine(exit_code=0)["database"]
    assert check["level"] == "ok"
    assert database.engine.dialect.name in check["found"]
    assert re.search(r"schema \d{4}$", check["found"])


def test_an_empty_database_is_not_a_fault(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(database_url).engine.connect().close()
    monkeypatch.setenv("DATABASE_URL", database_url)
    check = _examine(exit_code=0)["database"]
    assert check["level"] == "warn"
    assert "empty" in check["found"]


def test_a_database_of_a_newer_version_fails(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        session.connection().execute(text("UPDATE alembic_version SET version_num = '9999'"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    check = _examine(exit_code=1)["database"]
    assert "schema 9999, which this version doesn't know" in check["found"]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@127.0.0.1:1/none",
        "sqlite:///{folder}/junk",
    ],
)
def test_a_database_that_cannot_be_had_fails_and_keeps_the_password_to_itself(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "junk").write_bytes(b"this is no database " * 100)
    monkeypatch.setenv("DATABASE_URL", url.format(folder=tmp_path))
    checks = _examine(exit_code=1)
    assert checks["database"]["level"] == "fail"
    assert "secret" not in str(checks)


def test_a_running_redis_is_described(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server)
    checks = _examine(exit_code=0)
    assert checks["Redis"]["level"] == "ok"
    assert "with an append-only file" in checks["Redis"]["found"]
    assert "Redis server" not in checks


def test_an_external_redis_that_does_not_answer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    checks = _examine(exit_code=1)
    assert checks["Redis"]["level"] == "fail"
    assert "secret" not in str(checks)


def test_encoders_that_projects_name_are_looked_at(settings: Settings) -> None:
    database = open_database(settings)
    with database.write() as session:
        for number, encoder in enumerate(("/no/such/model", "somebody/some-model")):
            session.connection().execute(
                text("INSERT INTO project (id, name, config, created_at) VALUES (:id, :name, :config, 0)"),
                {"id": number, "name": f"project {number}", "config": json.dumps({"encoder": encoder})},
            )
    database.close()
    checks = _examine(exit_code=1)
    assert checks["encoder /no/such/model"]["level"] == "fail"
    assert checks["encoder somebody/some-model"]["level"] == "warn"


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("QUIETCORNER_LANE_LEASE_S", "soon", "soon"),
        ("DATABASE_URL", "mysql://u:secret@127.0.0.1/none", "mysql://u:***@127.0.0.1/none"),
        ("REDIS_URL", "nonsense", "nonsense"),
    ],
)
def test_a_setting_that_is_not_allowed_fails_and_is_named(
    variable: str, value: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    checks = _examine(exit_code=1)
    assert f"{variable} = '{shown}'" in checks["settings"]["found"]
    assert "secret" not in str(checks)


def test_a_data_folder_that_cannot_be_written_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUIETCORNER_DATA_DIR", "/proc/1/data")
    check = _examine(exit_code=1)["data folder"]
    assert "/proc/1/data" in check["found"]
    assert "QUIETCORNER_DATA_DIR" in check["mend"]


def _repair(*, exit_code: int) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["doctor", "--repair", "--json"])
    assert done.exit_code == exit_code, done.output
    return {check["name"]: check for check in json.loads(done.stdout)}


@pytest.fixture
def _queued(
    database: Database, database_url: str, redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A project `tickets` with two open assignments."""
    assert redis_client.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_server)
    monkeypatch.setattr(celery, "send_task", lambda *_, **__: None)
    context.cache_clear()
    project_id = make_project(database)
    store(database, project_id, item("one", "the first"), item("two", "the second"))
    with database.write() as session:
        batch = {"project": project_id, "none": "[]", "nothing": "{}"}
        session.connection().execute(text(_A_BATCH), batch)
        session.connection().execute(text(_ASSIGNMENTS), {"project": project_id, "reason": json.dumps(_REASON)})
    yield
    context().database.close()
    context.cache_clear()


@pytest.mark.usefixtures("_queued")
def test_repair_builds_a_lost_queue_anew_and_a_second_time_does_nothing(redis_client: redis.Redis) -> None:
    for _ in range(2):
        redis_client.flushall()
        checks = _repair(exit_code=0)
        assert checks["repair: consumer groups"]["found"] == "2 made, 0 were there"
        assert checks["repair: tasks of tickets"]["found"] == "2 queued, 0 were there"
        assert redis_client.xlen(tasks_key("tickets")) == 2
    checks = _repair(exit_code=0)
    assert checks["repair: consumer groups"]["found"] == "0 made, 2 were there"
    assert checks["repair: tasks of tickets"]["found"] == "0 queued, 2 were there"
    assert "embed" not in checks["repair: hints"]["found"]


@pytest.mark.usefixtures("_queued")
def test_repair_names_what_was_set_aside_and_what_to_do(database: Database) -> None:
    with database.write() as session:
        session.connection().execute(
            text("UPDATE lane SET requested = completed + 1, attempts = 5, error = NULL WHERE room = 'round'")
        )
    check = _repair(exit_code=0)["repair: round of tickets"]
    assert check["found"] == "set aside after 5 attempts: its worker died each time"
    assert check["mend"] == "Find the reason, then: quietcorner batch next tickets"


def test_repair_without_redis_does_nothing_and_says_so(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    check = _repair(exit_code=1)["repair"]
    assert "nothing was done" in check["found"]
    assert "quietcorner up" in check["mend"]
