from sqlmodel import col, select

from shared.database import Database, now
from shared.tables import Assignment, AssignmentState, Batch, Label
from tests.workers.reporting.example import RARE, add_batch, add_items, answer, make_project
from workers.reporting.growth import UNASKED, LabelsOfRound, by_channel, by_round, cumulative, read_growth

GROWTH = [
    LabelsOfRound(0, UNASKED, ("delay",), 3),
    LabelsOfRound(1, "audit", (RARE,), 1),
    LabelsOfRound(1, "likely", (RARE, "delay"), 2),
    LabelsOfRound(4, "likely", (), 5),
    LabelsOfRound(4, "audit", (RARE,), 4),
]


def test_labels_count_for_the_round_and_the_channel_that_asked_for_them(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [(f"Text {number}", "mail") for number in range(6)])
    answer(database, example, {6: "praise"})
    add_batch(database, example.id, [1, 2, 3])
    add_batch(database, example.id, [4])
    answer(database, example, {1: RARE, 2: RARE, 3: "delay", 4: "delay", 5: "praise"})
    _tell_times_apart(database, example.id, before_first=6)
    with database.read() as session:
        found = read_growth(session, example.id)

    assert found == [
        LabelsOfRound(0, UNASKED, ("praise",), 1),
        LabelsOfRound(1, "audit", (RARE,), 1),
        LabelsOfRound(1, "boundary", ("delay",), 1),
        LabelsOfRound(1, "boundary", (RARE,), 1),
        LabelsOfRound(2, "audit", ("delay",), 1),
        LabelsOfRound(2, UNASKED, ("praise",), 1),
    ]


def test_an_item_that_is_asked_for_again_counts_once_for_the_first_round(database: Database) -> None:
    example = make_project(database, task="multi")
    add_items(database, example.id, [("Text", "mail")])
    add_batch(database, example.id, [1])
    answer(database, example, {1: ["delay", RARE]})
    add_batch(database, example.id, [1])
    with database.write() as session:
        again = session.exec(select(Assignment).where(col(Assignment.state) == AssignmentState.OPEN)).one()
        again.state = AssignmentState.DONE
    with database.read() as session:
        found = read_growth(session, example.id)

    assert found == [LabelsOfRound(1, "audit", ("delay", RARE), 1)]


def test_another_project_does_not_count(database: Database) -> None:
    example, other = make_project(database), make_project(database, name="other")
    add_items(database, other.id, [("Text", "mail")])
    add_batch(database, other.id, [1])
    answer(database, other, {1: RARE}, name="other")
    with database.read() as session:
        assert read_growth(session, example.id) == []


def test_labels_add_up_over_the_rounds_that_brought_some() -> None:
    rounds, counts = cumulative(GROWTH, [RARE, "delay", "praise"])

    assert rounds == [0, 1, 4]
    assert counts == {RARE: [0, 3, 7], "delay": [3, 5, 5], "praise": [0, 0, 0]}


def test_labels_are_counted_by_channel() -> None:
    assert by_round(GROWTH) == {0: {UNASKED: 3}, 1: {"audit": 1, "likely": 2}, 4: {"likely": 5, "audit": 4}}
    assert by_channel(GROWTH) == {"delay": {UNASKED: 3, "likely": 2}, RARE: {"audit": 5, "likely": 2}}


def _tell_times_apart(database: Database, project_id: int, *, before_first: int) -> None:
    """Batches that were chosen a while ago, and one label that came before them; all others came after."""
    with database.write() as session:
        time = now(session)
        batches = session.exec(select(Batch).where(col(Batch.project_id) == project_id).order_by(col(Batch.round)))
        for age, batch in zip((200, 100), batches, strict=True):
            batch.selected_at = time - age
        first = session.exec(select(Label).where(col(Label.project_id) == project_id).order_by(col(Label.item))).all()
        first[before_first - 1].updated_at = time - 300
