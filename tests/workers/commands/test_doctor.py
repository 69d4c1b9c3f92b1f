"""`quietcorner doctor`, on real parts that are well and on parts that are not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from shared.database import Database, open_database
from shared.settings import Settings
from workers.cli import app


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
        "postgresql://u:secret@127.0.0.1:1/none?bogus=1",
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
