import pytest
from sqlmodel import col, select

from shared import lanes
from shared.database import Database
from shared.tables import Batch
from tests.workers.reporting.example import (
    CLASSES,
    NAME,
    RARE,
    add_batch,
    add_items,
    answer,
    make_example,
    make_project,
    metrics,
    set_aside,
)
from tests.workers.reporting.made_up import made_up_metrics
from workers.reporting.measured import without_details
from workers.reporting.status import project_status


def test_a_project_without_anything_has_a_status_of_zeros(database: Database) -> None:
    example = make_project(database)
    status = project_status(database, example.id, NAME, example.config)

    assert status == {
        "project": NAME,
        "task": "single",
        "classes": list(CLASSES),
        "items": {"total": 0, "distinct": 0, "embedded": 0, "by_source": {}},
        "labels": {
            "total": 0,
            "by_class": dict.fromkeys(CLASSES, 0),
            "by_source": {},
            "submissions": 0,
            "late": 0,
            "unasked": 0,
        },
        "agreement": {"items": 0, "pairs": 0, "equal": 0, "share": None},
        "queue": {"waiting": 0, "leased": 0, "done": 0},
        "rounds": 0,
        "model": {"version": None, "labels": None, "measured": None, "metrics": None},
        "goals": {},
        "done": [],
        "rules": [],
        "drift": {"windows": 0, "last": None, "campaigns": 0, "campaigns_waiting": 0},
        "lanes": {
            room: {"requested": 0, "completed": 0, "attempts": 0, "error": None, "held_by": None}
            for room in sorted(lanes.ROOMS)
        },
        "events": [],
        "dead_letters": 0,
    }


def test_a_project_under_way_is_counted(database: Database) -> None:
    example = make_example(database)
    status = project_status(database, example.id, NAME, example.config)

    assert status["items"] == {"total": 10, "distinct": 9, "embedded": 6, "by_source": {"chat": 1, "mail": 9}}
    assert status["labels"] == {
        "total": 4,
        "by_class": {"praise": 2, "delay": 1, RARE: 1},
        "by_source": {"chat": 1, "mail": 3},
        "submissions": 4,
        "late": 0,
        "unasked": 1,
    }
    assert status["queue"] == {"waiting": 1, "leased": 1, "done": 3}
    assert status["rounds"] == 2
    assert status["model"] == {"version": 2, "labels": 20, "measured": 2, "metrics": metrics(0.7)}
    assert status["drift"]["windows"] == 3
    assert (status["drift"]["last"]["window"], status["drift"]["last"]["level"]) == (3, "act")
    assert status["drift"]["campaigns"] == 1
    assert status["lanes"]["round"]["requested"] == 2
    assert [event["event"] for event in status["events"]] == [
        "labels.submitted",
        "batch.selected",
        "labels.submitted",
        "batch.selected",
    ]
    assert status["events"][1]["payload"] == {"round": 2, "chosen": 2}


def test_goals_are_told_with_what_the_newest_measured_version_reaches(database: Database) -> None:
    goals = {RARE: {"recall": 0.9}, "delay": {"precision": 0.5}}
    example = make_project(database, goals=goals)
    add_items(database, example.id, [("One", "mail"), ("Two", "mail")])
    before = project_status(database, example.id, NAME, example.config)["goals"]
    wanted = {RARE: {"recall": 0.9, "precision": None}}
    add_batch(database, example.id, [1], metrics=made_up_metrics(CLASSES, [0.6, 0.3, 0.1], items=200, goals=wanted))
    add_batch(database, example.id, [2])
    after = project_status(database, example.id, NAME, example.config)

    assert before[RARE] == {
        "wanted": {"recall": 0.9, "precision": None},
        **dict.fromkeys(("recall", "precision", "met", "sentence")),
    }
    assert (after["model"]["version"], after["model"]["measured"]) == (2, 1)
    assert after["model"]["metrics"]["n"] > 0
    assert after["goals"][RARE]["met"] is not None
    assert after["goals"][RARE]["recall"]["value"] > 0
    assert after["goals"]["delay"]["met"] is None


def test_classes_that_are_done_are_those_of_the_newest_batch(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [("One", "mail"), ("Two", "mail")])
    for number, done in ((1, ["praise"]), (2, [RARE])):
        add_batch(database, example.id, [number])
        with database.write() as session:
            session.exec(select(Batch).where(col(Batch.round) == number)).one().done = done

    assert project_status(database, example.id, NAME, example.config)["done"] == [RARE]


def test_the_status_leaves_out_what_only_plots_need(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [("One", "mail")])
    full = made_up_metrics(CLASSES, [0.6, 0.3, 0.1], items=200)
    add_batch(database, example.id, [1], metrics=full)
    found = project_status(database, example.id, NAME, example.config)["model"]["metrics"]

    assert found == without_details(full)
    assert "curves" not in found


def test_dead_letters_count_when_they_name_the_project_or_none(database: Database) -> None:
    example = make_example(database)

    assert project_status(database, example.id, NAME, example.config)["dead_letters"] == 2


def test_another_project_does_not_show(database: Database) -> None:
    make_example(database)
    other = make_project(database, name="other")
    status = project_status(database, other.id, "other", other.config)

    assert status["items"]["total"] == status["labels"]["total"] == status["rounds"] == status["queue"]["done"] == 0
    assert status["events"] == []


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("multi", {1: ["praise", "delay"], 2: ["praise"], 3: []}),
        (
            "ner",
            {
                1: [
                    {"start": 0, "end": 2, "label": "praise"},
                    {"start": 3, "end": 4, "label": "praise"},
                    {"start": 3, "end": 5, "label": "delay"},
                ],
                2: [{"start": 0, "end": 1, "label": "praise"}],
                3: [],
            },
        ),
    ],
)
def test_an_item_counts_once_for_each_of_its_classes(database: Database, task: str, labels: dict[int, object]) -> None:
    example = make_project(database, task=task)
    add_items(database, example.id, [(f"Text {number}", "mail") for number in range(3)])
    answer(database, example, labels)
    found = project_status(database, example.id, NAME, example.config)["labels"]

    assert found["total"] == 3
    assert found["by_class"] == {"praise": 2, "delay": 1, RARE: 0}


def test_a_lane_tells_its_error(database: Database) -> None:
    example = make_project(database)
    set_aside(database, example.id, lanes.ROUND, error="MemoryError: too much")
    lane = project_status(database, example.id, NAME, example.config)["lanes"]["round"]

    assert lane == {
        "requested": 1,
        "completed": 0,
        "attempts": lanes.MOST_ATTEMPTS,
        "error": "MemoryError: too much",
        "held_by": None,
    }


def test_a_lane_tells_who_is_at_it_until_the_lease_is_over(database: Database) -> None:
    example = make_project(database)

    def holder(lease_s: float) -> str | None:
        with database.write() as session:
            lanes.request(session, example.id, lanes.DRIFT)
            lanes.claim(session, project_id=example.id, room=lanes.DRIFT, owner=f"{lease_s}", lease_s=lease_s)
        found: str | None = project_status(database, example.id, NAME, example.config)["lanes"]["drift"]["held_by"]
        return found

    assert holder(-1.0) is None
    assert holder(60.0) == "60.0"
