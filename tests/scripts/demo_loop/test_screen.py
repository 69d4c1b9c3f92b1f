import io
from copy import deepcopy
from typing import Any

import pytest
from rich.console import Console

from scripts.demo_loop.outcome import Found, Tally
from scripts.demo_loop.screen import Frame, fraud_recall, line, quality, render, screen
from shared.database import Database
from shared.project import ProjectConfig
from shared.repository.projects import create_project
from workers.commands.edge import open_project
from workers.reporting.status import project_status

_CONFIG = ProjectConfig(classes=("praise", "fraud"))
_TALLY = Tally(fraud=Found(12, 80), new_kind=Found(0, 0))


@pytest.fixture
def at_first(database: Database) -> dict[str, Any]:
    """The status of a project in which nothing has happened, from the function that the status command uses."""
    with database.write() as session:
        create_project(session, "tickets", _CONFIG)
    project_id, _ = open_project(database, "tickets")
    return project_status(database, project_id, "tickets", _CONFIG)


@pytest.fixture
def measured(at_first: dict[str, Any]) -> dict[str, Any]:
    status = deepcopy(at_first)
    rates = {"precision": 0.5, "recall": 0.81, "f1": 0.6, "support": 7, "recall_low": 0.6, "recall_high": 0.93}
    status["model"] = {
        "version": 3,
        "labels": 120,
        "measured": 3,
        "metrics": {
            "n": 40,
            "macro_f1": {"value": 0.71, "low": 0.6, "high": 0.8},
            "per_class": {"fraud": rates, "praise": rates},
            "too_few": [],
        },
    }
    status["labels"]["by_class"] = {"praise": 100, "fraud": 20}
    status["events"] = [{"event": "model.trained", "at": 0.0, "payload": {"version": 3}}]
    return status


def test_a_project_without_a_model_is_shown(at_first: dict[str, Any]) -> None:
    shown = _printed(Frame("learning", 0.0, at_first, _TALLY))

    assert "not measured yet" in shown
    assert "fraud" in shown


def test_quality_is_shown_with_its_interval(measured: dict[str, Any]) -> None:
    shown = _printed(Frame("learning", 75.0, measured, _TALLY))

    assert quality(measured) == "0.71 (0.60 to 0.80)"
    assert fraud_recall(measured) == "0.81 (0.60 to 0.93)"
    for part in ("1:15", quality(measured), fraud_recall(measured), "12 of 80 (15%)", "model.trained"):
        assert part in shown


def test_a_recall_from_too_few_items_is_not_shown_as_a_number(measured: dict[str, Any]) -> None:
    measured["model"]["metrics"]["too_few"] = ["fraud"]
    measured["model"]["metrics"]["per_class"]["fraud"]["support"] = 2

    assert fraud_recall(measured) == "too few in the audit sample (2 of 40)"


def test_no_audit_item_means_no_macro_f1(measured: dict[str, Any]) -> None:
    measured["model"]["metrics"] |= {"n": 0, "macro_f1": None, "per_class": {}, "too_few": ["fraud", "praise"]}

    assert quality(measured) == "not measured yet"
    assert fraud_recall(measured) == "too few in the audit sample (0 of 0)"


def test_the_new_kind_is_told_of_once_it_is_there(measured: dict[str, Any]) -> None:
    later = Tally(fraud=Found(12, 80), new_kind=Found(3, 20))

    assert "new kind" not in line(Frame("learning", 1.0, measured, _TALLY))
    assert "its new kind 3 of 20 (15%)" in line(Frame("learning", 1.0, measured, later))


def test_without_a_terminal_a_new_phase_is_a_line_and_a_repeated_frame_is_none(measured: dict[str, Any]) -> None:
    console = Console(file=io.StringIO(), width=300)
    with screen(console) as shown:
        for phase in ("learning", "learning", "drift"):
            shown.show(Frame(phase, 1.0, measured, _TALLY))

    assert isinstance(console.file, io.StringIO)
    assert [row.partition("]")[2].partition(":")[0] for row in console.file.getvalue().splitlines()] == [
        " learning",
        " drift",
    ]


def test_events_in_a_row_of_one_name_are_one_line(measured: dict[str, Any]) -> None:
    submitted = {"event": "labels.submitted", "at": 1.0, "payload": {"labels": 1}}
    measured["events"] = [submitted] * 9 + measured["events"]
    shown = _printed(Frame("learning", 1.0, measured, _TALLY))

    assert shown.count("labels.submitted") == 1
    assert "9 times" in shown
    assert "model.trained" in shown


def _printed(frame: Frame) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(render(frame))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
