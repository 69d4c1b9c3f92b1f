"""The list of commands comes at once and is true of each command, and each shows an example that works."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from shared.errors import QuietCornerError
from workers.cli import app
from workers.commands.later import LaterCommand

LISTED = typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group
HEAVY = ("alembic", "celery", "kombu", "numpy", "pydantic", "redis", "sqlalchemy", "sqlmodel", "structlog", "torch")


def _all_commands() -> Iterator[tuple[str, Any]]:
    """Words and command, the commands of groups included."""
    for name, later in LISTED.items():
        yield from _within(name, later.load())


def _within(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    group = getattr(command, "commands", None)
    if group is None:
        yield words, command
    else:
        for name in group:
            yield from _within(f"{words} {name}", group[name])


COMMANDS = dict(_all_commands())


def test_the_list_of_commands_needs_nothing_of_what_they_stand_on() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "workers.cli", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert imported.isdisjoint(HEAVY)
    assert all(f" {name} " in done.stdout for name in LISTED)


def test_a_commands_products_have_one_thread_as_those_of_workers_have() -> None:
    look = """
import contextlib, threadpoolctl, workers.cli
with contextlib.suppress(SystemExit):
    workers.cli.main(["--help"])
import numpy
print([pool["num_threads"] for pool in threadpoolctl.threadpool_info()])
"""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == "[1]"


@pytest.mark.parametrize("name", LISTED)
def test_what_is_listed_is_the_beginning_of_the_commands_own_help(name: str) -> None:
    later = LISTED[name]
    assert isinstance(later, LaterCommand)
    beginning, _, _ = later.load().help.partition("\n\n")
    assert " ".join(beginning.split()) == later.help


@pytest.mark.parametrize("words", COMMANDS)
def test_every_help_ends_with_an_example_that_the_command_understands(words: str) -> None:
    done = CliRunner().invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    found = re.fullmatch(r"Example: quietcorner (.*)", done.output.strip().splitlines()[-1].strip())
    assert found is not None
    example = shlex.split(found[1])
    assert example[: len(words.split())] == words.split()
    COMMANDS[words].make_context(words, example[len(words.split()) :])


def test_the_docs_name_every_exit_code() -> None:
    told = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    table = told.partition("## Exit codes")[2].partition("\n## ")[0]
    kinds: list[type[QuietCornerError]] = [QuietCornerError, *QuietCornerError.__subclasses__()]
    codes = {kind.exit_code for kind in kinds}

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == {0, *codes}


def test_a_command_that_does_not_exist_is_an_error_that_offers_one_that_does() -> None:
    done = CliRunner().invoke(app, ["ingets"])
    assert done.exit_code == 2
    assert "ingest" in done.output


@pytest.mark.parametrize(
    ("place", "environment", "code", "told"),
    [
        ("/dev/full", {}, 2, "can't be written: No space left on device"),
        ("/dev/null", {"PYTHONIOENCODING": "ascii"}, 0, ""),
    ],
)
def test_an_output_without_room_is_told_and_one_of_few_characters_takes_all(
    place: str, environment: dict[str, str], code: int, told: str
) -> None:
    say = "import sys; from workers import cli; cli.app = lambda _: sys.stdout.write('\u202e' * 100_000); cli.main()"
    with open(place, "w") as out:
        whole = {**os.environ, **environment}
        done = subprocess.run([sys.executable, "-c", say], stdout=out, stderr=subprocess.PIPE, text=True, env=whole)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
