import json
from pathlib import Path

import pytest

from shared.database import Database
from shared.errors import InvalidInputError
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, make_example

__all__ = ["there"]


def test_the_page_is_written_where_asked(there: Database) -> None:
    make_example(there)
    assert "wrote page.html" in run("report", NAME, "--out", "page.html").stdout

    assert Path("page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_shows_the_figures_of_the_page_and_writes_none(there: Database) -> None:
    make_example(there)
    shown = json.loads(run("report", NAME, "--json").stdout)

    assert shown["status"]["labels"]["total"] == 4
    assert shown["in_short"][0].startswith("The pool holds 10 items")
    assert shown["what_next"][0] == "Have the 2 items on the annotation queue labeled."
    assert sum(one["items"] for one in shown["growth"]) == 4
    assert [model["metrics"]["macro_f1"]["value"] for model in shown["models"]] == [0.5, 0.7]
    assert shown["batches"][0]["channels"] == {"boundary": 2, "audit": 1}
    assert (shown["batches"][0]["assignments"], shown["batches"][0]["done"]) == (3, 3)
    assert [window["level"] for window in shown["windows"]] == ["quiet", "note", "act"]
    assert shown["campaigns"][0]["candidates"] == {"drift": 2, "relabel": 1}
    assert [letter["reason"] for letter in shown["letters"]] == ["not JSON", "label: unknown class"]
    assert list(Path().iterdir()) == []


def test_whoever_does_not_wait_at_a_terminal_sees_no_progress(there: Database) -> None:
    make_example(there)

    assert run("report", NAME, "--out", "page.html").stderr == ""


def test_a_page_that_can_not_be_written_is_told(there: Database) -> None:
    make_example(there)
    with pytest.raises(InvalidInputError, match="can't be written"):
        run("report", NAME, "--out", "missing/page.html")
