"""What one machine runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from shared.settings import Settings, load_settings
from tests.servers import make_settings
from workers.app import QUEUES
from workers.cli import app, main
from workers.supervisor import plan
from workers.supervisor.command import Command


def commands(settings: Settings) -> list[Command]:
    return plan.commands(settings, QUEUES, main=main)


def test_there_is_a_child_for_every_queue_and_one_listener_and_one_beat() -> None:
    names = [command.name for command in commands(make_settings(Path("data")))]
    assert names == ["listener", *QUEUES, "beat"]


def test_the_http_api_is_a_child_where_it_has_a_port() -> None:
    settings = make_settings(Path("data")).model_copy(update={"http_port": 8000})
    last = commands(settings)[-1]
    assert (last.name, last.environment["QUIETCORNER_HTTP_PORT"]) == ("http", "8000")
    assert CliRunner().invoke(app, [*last.arguments, "--help"]).exit_code == 0


def test_every_child_is_a_command_that_exists_with_options_that_it_knows() -> None:
    for command in commands(make_settings(Path("data"))):
        assert command.main is main
        assert CliRunner().invoke(app, [*command.arguments, "--help"]).exit_code == 0


def test_a_child_is_a_program_where_its_parent_can_not_be_forked() -> None:
    settings = make_settings(Path("data"))
    programs = [command.arguments for command in plan.commands(settings, QUEUES)]
    assert programs == [(sys.executable, "-m", "workers.cli", *each.arguments) for each in commands(settings)]


@given(
    threads=st.integers(1, 64),
    lease=st.floats(1, 3600),
    url=st.none() | st.sampled_from(["postgresql://u:p%40ss@host/db", "sqlite:////tmp/a b.db"]),
)
def test_a_child_has_the_settings_of_its_parent(threads: int, lease: float, url: str | None) -> None:
    mine = make_settings(Path("some/data folder")).model_copy(
        update={"lane_lease_s": lease, "compute_threads": threads, "database_url": url, "log_level": "ERROR"}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        patch.delenv("REDIS_URL", raising=False)
        for name, value in plan.environment(mine).items():
            patch.setenv(name, value)
        assert load_settings() == mine.model_copy(update={"data_dir": mine.folder})


@given(st.integers(1, 64))
def test_no_child_computes_with_more_threads_than_allowed(threads: int) -> None:
    settings = make_settings(Path("data")).model_copy(update={"compute_threads": threads})
    for command in commands(settings):
        assert int(command.environment["OMP_NUM_THREADS"]) <= threads
        assert command.environment["QUIETCORNER_COMPUTE_THREADS"] == command.environment["OMP_NUM_THREADS"]


def test_answers_go_before_rounds_and_rounds_before_the_watch() -> None:
    nice = {command.name: command.niceness for command in commands(make_settings(Path("data")))}
    assert nice[plan.LISTENER] == nice["intake"] == 0 < nice["training"] == nice["embedding"] < nice["drift"]


def test_what_children_need_is_imported_before_they_are_forked_without_a_thread() -> None:
    script = """
import sys, threading
from pathlib import Path
from shared.settings import load_settings
from workers.supervisor.plan import preload
preload(load_settings())
print(len(list(Path("/proc/self/task").iterdir())))
print(*(each for each in ("workers.selection.tasks", "torch", "sklearn", "scipy.stats") if each in sys.modules))
"""
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "workers.selection.tasks"]
