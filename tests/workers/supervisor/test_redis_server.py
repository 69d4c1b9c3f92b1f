"""The embedded Redis, with the real server binary."""

import os
import stat
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.errors import RedisUnavailableError
from shared.settings import Settings
from shared.streams import connect
from tests.servers import make_settings, running_redis, short_folder
from workers.supervisor import redis_server


@pytest.fixture
def place() -> Iterator[Settings]:
    with short_folder() as folder:
        yield make_settings(folder)


def _fake_server(folder: Path, said: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / "redis-server"
    binary.write_text(f"#!/bin/sh\necho '{said}'\n")
    binary.chmod(0o755)
    return binary


def _without_wheel(name: str) -> Any:
    raise PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64 build=8a2b", (6, 2, 14)),
        ("Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1c9", (8, 0, 1)),
        ("7.4.0", (7, 4, 0)),
        ("no such thing", ()),
    ],
)
def test_versions_are_read_from_what_servers_say(said: str, version: tuple[int, ...]) -> None:
    assert redis_server.parse_version(said) == version


def test_the_server_found_is_new_enough() -> None:
    assert redis_server.server_version(redis_server.find_server()) >= redis_server.OLDEST_VERSION


def test_the_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = _fake_server(tmp_path, "Redis server v=7.2.4")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_server.find_server() == wanted


def test_an_old_server_on_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _fake_server(tmp_path, "Redis server v=5.0.7 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "distribution", _without_wheel)
    with pytest.raises(RedisUnavailableError, match=rf"{old} is 5\.0\.7.*Install Redis 6\.2 or newer"):
        redis_server.find_server()


def test_without_any_server_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "distribution", _without_wheel)
    with pytest.raises(RedisUnavailableError, match=r"none found.*REDIS_URL"):
        redis_server.find_server()


def test_the_server_listens_on_no_port_and_writes_an_append_only_file(place: Settings) -> None:
    with running_redis(place), connect(place) as client:
        found: dict[str, str] = client.config_get("*")
        assert {name: found[name] for name in ("port", "appendonly", "appendfsync", "dir")} == {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "dir": str(place.folder / "redis"),
        }


def test_only_the_owner_may_enter_the_folder_of_the_socket(place: Settings) -> None:
    place.redis_socket.parent.mkdir(mode=0o755, parents=True)
    redis_server.prepare(place)
    assert stat.S_IMODE(place.redis_socket.parent.stat().st_mode) == 0o700


def test_what_was_written_survives_kill_9(place: Settings) -> None:
    with running_redis(place), connect(place) as client:
        client.xadd("stream", {"word": "quiet"})
        os.kill(redis_pid(client), 9)
    with running_redis(place), connect(place) as client:
        assert client.xlen("stream") == 1


def test_a_server_left_over_from_a_killed_run_is_ended_and_its_data_kept(place: Settings) -> None:
    left_over = subprocess.Popen(redis_server.prepare(place), stdout=subprocess.DEVNULL)
    redis_server.wait_until_ready(place, is_alive=lambda: left_over.poll() is None)
    with connect(place) as client:
        client.set("word", "corner")
    with running_redis(place), connect(place) as client:
        assert left_over.wait(10) == 0
        assert client.get("word") == b"corner"


def test_a_server_that_cannot_start_is_an_error_that_names_its_log(place: Settings) -> None:
    command = [*redis_server.prepare(place), "--no-such-option", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with pytest.raises(RedisUnavailableError, match=r"redis\.log"):
        redis_server.wait_until_ready(place, is_alive=lambda: process.poll() is None)
    process.wait()


def test_a_long_data_folder_puts_the_socket_into_a_private_folder_in_the_temp_dir(tmp_path: Path) -> None:
    place = make_settings(tmp_path / ("long" * 30))
    assert not place.redis_socket.is_relative_to(place.folder)
    try:
        with running_redis(place), connect(place) as client:
            assert client.ping()
            assert stat.S_IMODE(place.redis_socket.parent.stat().st_mode) == 0o700
    finally:
        place.redis_socket.parent.rmdir()


def test_a_socket_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    place = make_settings(tmp_path / ("long" * 30))
    (tmp_path / "elsewhere").mkdir()
    place.redis_socket.parent.symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(RedisUnavailableError, match="belongs to another user"):
            redis_server.prepare(place)
    finally:
        place.redis_socket.parent.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_socket_folder_of_another_user_is_refused(place: Settings) -> None:
    place.redis_socket.parent.mkdir()
    os.chown(place.redis_socket.parent, 65_534, -1)
    with pytest.raises(RedisUnavailableError, match="belongs to another user"):
        redis_server.prepare(place)


def test_an_external_server_that_is_too_old_is_refused() -> None:
    class OldServer(redis.Redis):
        def info(self, *_: Any, **__: Any) -> Any:
            return {"redis_version": "5.0.7"}

    with pytest.raises(RedisUnavailableError, match=r"5\.0\.7; 6\.2 or newer"):
        redis_server.check_version(OldServer())


def redis_pid(client: redis.Redis) -> int:
    return int(client.info("server")["process_id"])
