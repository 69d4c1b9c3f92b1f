from typing import Any

from shared.contracts import SubmissionMessage
from shared.database import Database
from tests.workers.reporting.example import (
    NAME,
    NASTY,
    RARE,
    Example,
    add_items,
    answer,
    make_example,
    make_project,
    reason,
)
from workers.intake.answers import take_answers
from workers.reporting.labeled import labeled_items


def test_each_labeled_item_comes_with_its_history(database: Database) -> None:
    example = make_example(database)
    _again(database, example)
    items = _all(database, example.id)

    assert [item["item_id"] for item in items] == ["item-1", "item-2", "item-4", "item-10"]
    first = items[0]
    received = [submission.pop("received_at") for submission in first["submissions"]]
    assert received == sorted(received)
    assert first == {
        "item_id": "item-1",
        "text": NASTY,
        "source": "chat",
        "label": "praise",
        "agreement": 0.5,
        "submissions": [
            {"submission_id": "a-1", "annotator": "anna", "label": RARE, "late": False, "unasked": False},
            {"submission_id": "b-1", "annotator": "bert", "label": "praise", "late": False, "unasked": False},
        ],
        "reasons": [{"batch": 1, **reason(1).model_dump()}],
    }


def test_an_unasked_answer_has_no_reason(database: Database) -> None:
    example = make_example(database)
    last = _all(database, example.id)[-1]

    assert last["reasons"] == []
    assert last["submissions"][0]["unasked"]


def test_more_items_than_are_read_at_once_come_once_each_and_in_order(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [(f"Text {number}", "mail") for number in range(1_201)])
    answer(database, example, dict.fromkeys(range(1, 1_202), "praise"))
    items = _all(database, example.id)

    assert [item["item_id"] for item in items] == [f"item-{number}" for number in range(1, 1_202)]
    assert all(len(item["submissions"]) == 1 for item in items)


def test_items_of_other_projects_stay_out(database: Database) -> None:
    make_example(database)
    other = make_project(database, name="other")

    assert _all(database, other.id) == []


def _again(database: Database, example: Example) -> None:
    message = SubmissionMessage(project=NAME, submission_id="b-1", item_id="item-1", annotator="bert", label="praise")
    with database.write() as session:
        take_answers(session, project_id=example.id, messages=[message], origin="test")


def _all(database: Database, project_id: int) -> list[dict[str, Any]]:
    with database.read() as session:
        return list(labeled_items(session, project_id))
