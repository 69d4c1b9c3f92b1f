"""What goes on the queue, and in which order."""

from sqlmodel import select

from shared.database import Database
from shared.repository.assignments import prepare_queueing
from shared.repository.rounds import store_assignments
from shared.tables import Batch, Item
from tests.workers.reporting.example import add_batch, add_items, make_project, reason


def test_the_second_annotator_of_an_overlap_item_is_asked_after_the_first_of_every_other(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [(f"text {number}", "mail") for number in range(3)])
    number = add_batch(database, example.id, [])
    with database.write() as session:
        items = session.exec(select(Item.id).order_by(Item.item_id)).all()
        overlap = [2, 1, 3]
        reasons = [reason(rank).model_copy(update={"overlap": overlap[rank - 1]}) for rank in (1, 2, 3)]
        store_assignments(session, session.get_one(Batch, number), list(zip(items, reasons, strict=True)))
        order = [waiting.item_id for waiting in prepare_queueing(session, example.id)]
    assert order == ["item-1", "item-2", "item-3", "item-1", "item-3", "item-3"]


def test_a_batch_has_the_number_by_which_people_know_it(database: Database) -> None:
    other, example = make_project(database, name="other"), make_project(database)
    add_batch(database, other.id, [])
    add_items(database, example.id, [("a text", "mail")])
    add_batch(database, example.id, [1])
    with database.write() as session:
        assert [waiting.round for waiting in prepare_queueing(session, example.id)] == [1]
