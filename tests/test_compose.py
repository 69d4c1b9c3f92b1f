"""The container files say what the code can do. Docker itself is not needed."""

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from shared.settings import Settings
from workers.app import QUEUES
from workers.cli import app

ROOT = Path(__file__).parents[1]


@cache
def _compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = _compose()["services"]
    return services


def _ours() -> list[str]:
    return [name for name, service in _services().items() if service["image"] == "quietcorner"]


def _dockerfile() -> list[tuple[str, str]]:
    """Instructions with their arguments; continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def _argument(instruction: str) -> str:
    return next(argument for name, argument in _dockerfile() if name == instruction)


def test_there_is_one_service_for_each_worker() -> None:
    assert set(_ours()) == {"listener", *QUEUES, "beat", "http", "cli"}
    for queue in QUEUES:
        assert _services()[queue]["command"] == ["worker", "--queues", queue]


@pytest.mark.parametrize("name", _ours())
def test_a_service_runs_a_command_that_exists_with_options_that_it_knows(name: str) -> None:
    done = CliRunner().invoke(app, [*_services()[name]["command"], "--help"])
    assert done.exit_code == 0, done.output


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    for command in (["cook"], ["worker", "--kitchen", "intake"]):
        assert CliRunner().invoke(app, [*command, "--help"]).exit_code != 0


def test_the_image_starts_with_the_installed_command() -> None:
    (entrypoint,) = json.loads(_argument("ENTRYPOINT"))
    assert entrypoint in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def test_the_image_does_not_run_as_root() -> None:
    users = [argument for name, argument in _dockerfile() if name == "USER"]
    assert users == ["quietcorner"]


def test_what_the_image_copies_is_there_and_sent_to_the_builder() -> None:
    let_through = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {source for name, argument in _dockerfile() if name == "COPY" for source in argument.split()[:-1]}
    assert copied == let_through
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_nothing_is_published_beyond_this_host() -> None:
    for service in _services().values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert "network_mode" not in service


@pytest.mark.parametrize("name", _ours())
def test_every_service_of_ours_can_be_scaled(name: str) -> None:
    assert not {"container_name", "hostname"} & set(_services()[name])
    for port in _services()[name].get("ports", ()):
        assert re.search(r":-0\}:\d+$", port), "two of them need two ports"


@pytest.mark.parametrize("name", _ours())
def test_a_service_of_ours_can_write_nowhere_but_to_its_volumes_and_gain_no_rights(name: str) -> None:
    service = _services()[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - of the container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "devices", "pid"} & set(service)


def test_no_container_holds_what_rules_the_host() -> None:
    for service in _services().values():
        assert not any("docker.sock" in volume for volume in service.get("volumes", ()))


def test_the_http_api_in_a_container_is_asked_whether_it_is_well_where_it_listens() -> None:
    service = _services()["http"]
    (port,) = {published.rpartition(":")[2] for published in service["ports"]}
    assert f"http://127.0.0.1:{port}/health" in service["healthcheck"]["test"][-1]
    assert "--port" not in service["command"]
    assert port == "8000"


def test_redis_keeps_an_append_only_file_on_a_volume() -> None:
    redis = _services()["redis"]
    command = redis["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert "redis:/data" in redis["volumes"]


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_workers_wait_until_the_servers_are_healthy(name: str) -> None:
    assert _services()[name]["healthcheck"]["test"]
    for service in _ours():
        assert _services()[service]["depends_on"][name] == {"condition": "service_healthy"}


def test_every_volume_is_declared() -> None:
    used = {volume.split(":")[0] for service in _services().values() for volume in service.get("volumes", ())}
    assert used - {"."} == set(_compose()["volumes"])


def test_no_password_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert _services()["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${QUIETCORNER_PASSWORD:?")
    assert "QUIETCORNER_PASSWORD:-" not in text


def test_services_and_image_set_only_settings_that_exist() -> None:
    known = {f"QUIETCORNER_{name.upper()}" for name in Settings.model_fields}
    image = set(re.findall(r"\bQUIETCORNER_\w+(?==)", _argument("ENV")))
    services = {name for service in _ours() for name in _services()[service]["environment"]}
    assert image | services <= known | {"DATABASE_URL", "REDIS_URL"}
    assert {"DATABASE_URL", "REDIS_URL"} <= services
