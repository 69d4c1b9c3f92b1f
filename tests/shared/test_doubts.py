"""Labels in doubt, old ones, and what came of asking again."""

from collections.abc import Iterator

import pytest
from sqlmodel import Session, select

from shared.database import Database, now
from shared.project import ProjectConfig
from shared.repository import doubts
from shared.repository.doubts import Again
from shared.repository.projects import create_project
from shared.repository.submissions import Answer, store_answers
from shared.tables import Item, Label, Project, Submission

DAY = 86_400.0


class Labels:
    """Items 0, 1, 2 and so on of a project, with answers of any age."""

    def __init__(self, session: Session) -> None:
        self.session = session
        assert create_project(session, "p", ProjectConfig(classes=("a", "b"), former_classes={"old a": "a"}))
        self.id = session.exec(select(Project.id)).one()
        self.time = now(session)
        self._answers = 0
        for number in range(5):
            session.add(
                Item(
                    project_id=self.id,
                    item_id=str(number),
                    text=str(number),
                    source="mail",
                    text_key=number,
                    normal_key=number,
                    draw=0.5,
                    added_at=0.0,
                )
            )
        session.flush()
        self.items = sorted(session.exec(select(Item.id)))

    def answer(self, number: int, label: str, *, days_ago: float, annotator: str = "anna") -> None:
        self._answers += 1
        key = f"s-{self._answers}"
        store_answers(self.session, self.id, [Answer(key, self.items[number], annotator, label, None, False, True)], {})
        submission = self.session.exec(select(Submission).where(Submission.submission_id == key)).one()
        submission.received_at = self.time - days_ago * DAY
        self.session.flush()


@pytest.fixture
def labels(database: Database) -> Iterator[Labels]:
    with database.write() as session:
        yield Labels(session)


def test_a_label_expires_by_its_newest_answer(labels: Labels) -> None:
    labels.answer(0, "a", days_ago=40)
    labels.answer(1, "a", days_ago=40)
    labels.answer(1, "a", days_ago=10, annotator="bert")
    found = doubts.expired(labels.session, labels.id, days=30)
    assert {item: round(age) for item, age in found.items()} == {labels.items[0]: 40}


def test_a_doubt_holds_until_there_is_a_newer_answer_and_may_come_again(labels: Labels) -> None:
    for number in range(3):
        labels.answer(number, "a", days_ago=1)
    doubts.store_doubts(labels.session, labels.id, labels.items[:2], why="first")
    labels.answer(0, "a", days_ago=-1)
    assert doubts.doubted(labels.session, labels.id) == {labels.items[1]: "first"}
    doubts.store_doubts(labels.session, labels.id, labels.items[1:3], why="second")
    assert doubts.doubted(labels.session, labels.id) == dict.fromkeys(labels.items[1:3], "second")


def test_asked_again_is_what_has_answers_from_before_and_after(labels: Labels) -> None:
    labels.answer(0, "old a", days_ago=9)
    labels.answer(0, "a", days_ago=1)
    labels.answer(1, "a", days_ago=9)
    labels.answer(1, "b", days_ago=1, annotator="bert")
    labels.answer(2, "a", days_ago=9)
    labels.answer(3, "a", days_ago=1)
    found = doubts.answers_again(labels.session, labels.id, labels.items, since=labels.time - 5 * DAY)
    assert found == [Again(labels.items[0], "a", "a"), Again(labels.items[1], "a", "b")]
    assert [one.changed for one in found] == [False, True]
    assert doubts.answered_before(labels.session, labels.id, labels.time - 5 * DAY) == labels.items[:3]


def test_a_changed_answer_of_another_annotator_becomes_the_label(labels: Labels) -> None:
    labels.answer(0, "a", days_ago=9)
    labels.answer(0, "b", days_ago=1, annotator="bert")
    assert labels.session.exec(select(Label.value)).one() == "b"
    assert doubts.standing_labels(labels.session, labels.items) == {labels.items[0]: "b"}
