import json

import pytest

from shared import lanes
from shared.database import Database
from shared.errors import InvalidInputError, UnknownProjectError
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, add_items, make_example, make_project, set_aside
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
    example = make_project(there)
    shown: list[float] = []

    def sleep(seconds: float) -> None:
        shown.append(seconds)
        if len(shown) == 2:
            raise KeyboardInterrupt
        add_items(there, example.id, [("Text", "mail")])

    monkeypatch.setattr("workers.commands.status.time.sleep", sleep)
    out = run("status", NAME, "--watch").stdout

    assert len(shown) == 2
    assert "1, 1 distinct texts, 0 of them embedded" in out


def test_watch_and_json_together_are_refused(there: Database) -> None:
    make_project(there)
    with pytest.raises(InvalidInputError, match="--watch and --json"):
        run("status", NAME, "--watch", "--json")


def test_an_unknown_project_is_told_with_those_that_exist(there: Database) -> None:
    make_project(there)
    with pytest.raises(UnknownProjectError, match=NAME):
        run("status", "tikets")
