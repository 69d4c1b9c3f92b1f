from shared.database import Database
from tests.workers.reporting.example import NASTY, add_batch, add_items, make_example, make_project, reason
from workers.reporting.batches import newest_round, read_batch
from workers.selection.reasons import sentence


def test_a_batch_is_read_with_every_item_by_rank(database: Database) -> None:
    example = make_example(database)
    with database.read() as session:
        batch = read_batch(session, example.id, 1)

    assert batch is not None
    assert (batch.round, batch.model, batch.wanted, batch.chosen) == (1, 1, 4, 3)
    assert [(item.rank, item.item_id) for item in batch.items] == [(1, "item-1"), (2, "item-2"), (3, "item-4")]
    assert (batch.items[0].text, batch.items[0].source) == (NASTY, "chat")
    assert (batch.items[1].why, batch.items[1].reason) == (sentence(reason(2)), reason(2).model_dump())
    assert [assignment["state"] for item in batch.items for assignment in item.assignments] == ["done"] * 3


def test_an_assignment_with_a_live_lease_is_shown_as_leased(database: Database) -> None:
    example = make_example(database)
    with database.read() as session:
        batch = read_batch(session, example.id, 2)

    assert batch is not None
    states = {item.item_id: item.assignments[0]["state"] for item in batch.items}
    assert states == {"item-5": "leased", "item-6": "open"}
    assert batch.items[0].assignments[0]["annotator"] == "bert"


def test_the_newest_round_is_zero_before_the_first(database: Database) -> None:
    example = make_project(database)
    add_items(database, example.id, [("Text", "mail")])
    with database.read() as session:
        assert newest_round(session, example.id) == 0
        assert read_batch(session, example.id, 1) is None
    add_batch(database, example.id, [1])
    with database.read() as session:
        assert newest_round(session, example.id) == 1
