import json

import pytest

from shared import lanes
from shared.database import Database
from shared.errors import InvalidInputError, UnknownProjectError
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, make_example, make_project, set_aside
from workers.commands import status as command
from workers.reporting.status import project_status

__all__ = ["there"]


def test_json_is_one_object_with_the_whole_status(there: Database) -> None:
    example = make_example(there)

    assert json.loads(run("status", NAME, "--json").stdout) == project_status(there, example.id, NAME, example.config)


def test_people_get_panels(there: Database) -> None:
    make_example(there)
    shown = run("status", NAME).stdout

    assert "1 waiting, 1 leased, 3 done" in shown
    assert "macro-F1 0.70" in shown


def test_a_lane_that_is_set_aside_is_told_with_its_mend(there: Database) -> None:
    example = make_project(there)
    set_aside(there, example.id, lanes.EMBED, error="EncoderUnavailableError: no such model")
    shown = run("status", NAME).stdout

    assert "embed: set aside after 5 attempts: EncoderUnavailableError: no such model" in shown
    assert f"quietcorner batch next {NAME}" in shown


def test_watch_shows_what_changed_meanwhile_until_ctrl_c(there: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if len(sleeps) == 2:
            raise KeyboardInterrupt
        make_example(there)

    example = make_project(there, name="early")
    assert example.id
    monkeypatch.setattr(command.time, "sleep", sleep)
    shown = run("status", "early", "--watch").stdout

    assert sleeps == [1.0, 1.0]
    assert "none yet: quietcorner ingest brings them in" in shown


def test_watch_and_json_together_are_refused(there: Database) -> None:
    make_project(there)
    with pytest.raises(InvalidInputError, match="--watch and --json"):
        run("status", NAME, "--watch", "--json")


def test_an_unknown_project_is_told_with_those_that_exist(there: Database) -> None:
    make_project(there)
    with pytest.raises(UnknownProjectError, match=NAME):
        run("status", "tikets")
