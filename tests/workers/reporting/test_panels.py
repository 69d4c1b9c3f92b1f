from io import StringIO
from typing import Any

from rich.console import Console

from shared import lanes
from shared.database import Database
from tests.workers.reporting.example import NAME, RARE, Example, make_example, make_project, set_aside
from workers.reporting.panels import status_panels
from workers.reporting.status import project_status


def test_the_panels_tell_the_figures(database: Database) -> None:
    shown = _shown(_status(database, make_example(database)))

    for told in (
        "10, 9 distinct texts, 6 of them embedded (67 %)",
        "4 (40 % of the items) from 4 submissions, 0 of them late, 1 unasked",
        "1 waiting, 1 leased, 3 done",
        "version 2, trained on 20 labeled items; macro-F1 0.70 (0.60 to 0.80) on 40 audit items",
        "3 windows, the last: act; 1 campaign",
        RARE,
        "too few",
        "batch.selected",
    ):
        assert told in shown


def test_figures_of_an_earlier_version_are_told_as_its_own(database: Database) -> None:
    status = _status(database, make_example(database))
    status["model"]["version"] = 3
    assert "version 3, trained on 20 labeled items; version 2: macro-F1 0.70 (0.60 to 0.80)" in _shown(status)


def test_rules_are_told_with_their_precision_once_it_is_known(database: Database) -> None:
    status = _status(database, make_example(database))
    assert "Seeding rules" not in _shown(status)
    rule = {"rule": "[red]words", "class": RARE, "kind": "keywords", "hits": 1200, "labels": 0, "right": 0}
    found = {"value": 0.5, "low": 0.15, "high": 0.85}
    unjudged = {"precision": None, "prior": None, "stopped": False}
    chance = {"value": 0.9, "low": 0.88, "high": 0.92}
    described = {"kind": "description", "hits": None, "labels": 4, "right": 2, "precision": found}
    status["rules"] = [{**rule, **unjudged}, {**rule, **described, "prior": chance, "stopped": True}]
    lines = [line.split() for line in _shown(status).splitlines() if "[red]words" in line]
    assert lines[1][-5:] == ["keywords", "1,200", "0", "0", "│"]
    assert lines[-1][5:-1] == ["the", "nearest", "4", "2", "0.50", "0.15", "to", "0.85", "90", "%", "stopped"]
    assert "[red]words: they find less of their class than chance, and get no more places" in _shown(status)


def test_goals_are_told_one_a_line_with_the_missed_ones_first(database: Database) -> None:
    status = _status(database, make_project(database))
    assert "goals" not in _shown(status)
    reached = {"value": 0.62, "low": 0.5, "high": 0.7}
    goal = {"wanted": {"recall": 0.9, "precision": None}, "recall": reached, "precision": None, "sentence": ""}
    status["goals"] = {"praise": {**goal, "met": True}, "delay": {**goal, "met": None}, RARE: {**goal, "met": False}}
    shown = _shown(status)
    lines = [" ".join(line.strip("│ ").split()) for line in shown.splitlines()]

    first = lines.index(f"goals {RARE}: recall 0.62 of 0.90, not met")
    assert lines[first + 1] == "delay: recall ? of 0.90, not known yet"
    assert lines[first + 2] == "praise: recall 0.62 of 0.90, met"


def test_classes_that_are_done_are_told(database: Database) -> None:
    status = _status(database, make_project(database))
    status["done"] = ["praise", RARE]

    assert f"praise and {RARE}: enough of their items is found" in _shown(status)


def test_a_project_without_anything_has_panels(database: Database) -> None:
    shown = _shown(_status(database, make_project(database)))

    assert "none yet: quietcorner ingest brings them in" in shown
    assert "none yet: the first round with labels of two classes trains one" in shown


def test_a_lane_that_is_set_aside_is_red_and_tells_its_error_and_the_mend(database: Database) -> None:
    example = make_project(database)
    set_aside(database, example.id, lanes.ROUND, error="MemoryError: [red]too\x1b much")
    shown = _shown(_status(database, example), colour=True)

    assert f"\x1b[1;31mround: set aside after {lanes.MOST_ATTEMPTS} attempts: MemoryError: [red]too much" in shown
    assert f"quietcorner batch next {NAME}" in shown


def test_work_that_waits_that_failed_once_and_that_goes_on_are_told_apart(database: Database) -> None:
    example = make_project(database)
    status = _status(database, example)
    status["lanes"]["embed"] |= {"requested": 3}
    status["lanes"]["drift"] |= {"requested": 1, "attempts": 2, "error": "ValueError: no"}
    status["lanes"]["evaluate"] |= {"requested": 1, "attempts": 1, "held_by": "here:7"}
    status["lanes"]["round"] |= {
        "requested": 1,
        "attempts": lanes.MOST_ATTEMPTS,
        "held_by": "here:8",
        "error": "no room",
    }
    shown = _shown(status)

    assert "embed: work waits (3 requests)" in shown
    assert "drift: tried 2 times: ValueError: no" in shown
    assert "evaluate: here:7 is at work" in shown
    assert "round: here:8 is at work, after no room" in shown, "the last attempt goes on"
    assert "labels: idle" in shown


def test_of_many_classes_the_rarest_are_shown(database: Database) -> None:
    status = _status(database, make_project(database))
    status["labels"]["by_class"] = {f"class-{number:03}": number for number in range(300, 0, -1)}
    shown = _shown(status)

    assert "class-001" in shown
    assert "class-300" not in shown
    assert "and 280 more" in shown


def _status(database: Database, example: Example) -> dict[str, Any]:
    return project_status(database, example.id, NAME, example.config)


def _shown(status: dict[str, Any], *, colour: bool = False) -> str:
    out = StringIO()
    console = Console(
        file=out, width=200, highlight=False, force_terminal=colour, color_system="standard" if colour else None
    )
    console.print(status_panels(status))
    return out.getvalue()
