"""Agreement: the share of equal pairs of the last answers of different annotators."""

import pytest

from shared.contracts import SubmissionMessage
from shared.database import Database
from tests.workers.reporting.example import NAME, Example, add_items, make_project
from workers.intake.answers import take_answers
from workers.reporting.agreement import count_pairs, read_agreement


def _say(database: Database, example: Example, number: int, annotator: str, item: int, label: str) -> None:
    message = SubmissionMessage(
        project=NAME, submission_id=str(number), item_id=f"item-{item}", annotator=annotator, label=label
    )
    with database.write() as session:
        take_answers(session, project_id=example.id, messages=[message], origin="test")


def test_equal_pairs_are_counted_among_last_answers_under_names_of_today(database: Database) -> None:
    example = make_project(database, former_classes={"kudos": "praise"})
    add_items(database, example.id, [(f"text {number}", "mail") for number in range(3)])
    answers = [
        ("anna", 1, "delay"),
        ("anna", 1, "praise"),
        ("ben", 1, "kudos"),
        ("cleo", 1, "delay"),
        ("anna", 2, "delay"),
        ("ben", 2, "delay"),
        ("anna", 3, "delay"),
    ]
    for number, answer in enumerate(answers):
        _say(database, example, number, *answer)
    with database.read() as session:
        found = read_agreement(session, example.id, example.config.former_classes)

    assert (found.items, found.pairs, found.equal) == (2, 4, 2)
    assert found.share == pytest.approx(0.5)


def test_labels_of_several_classes_are_equal_as_a_whole() -> None:
    assert count_pairs([["a", "b"], ["a"], ["a", "b"]]) == {"items": 1, "pairs": 3, "equal": 1}
    assert count_pairs([[], []]) == {"items": 1, "pairs": 1, "equal": 1}
