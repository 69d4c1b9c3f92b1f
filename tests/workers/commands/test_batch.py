import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlmodel import col, select

from shared import lanes
from shared.database import Database
from shared.errors import InvalidInputError, QuietCornerError
from shared.lanes import Claim
from shared.tables import Batch
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import (
    ENCODER,
    NAME,
    RARE,
    Example,
    add_batch,
    add_items,
    answer,
    embed,
    make_example,
    make_project,
    reason,
    set_aside,
)

__all__ = ["there"]


def test_the_next_batch_needs_no_worker(there: Database) -> None:
    _pool(there)
    result = run("batch", "next", NAME, "--json")
    batch = json.loads(result.stdout)

    assert (batch["project"], batch["round"], batch["chosen"], batch["model"]) == (NAME, 1, 5, None)
    assert len(batch["items"]) == 5
    assert {item["assignments"][0]["state"] for item in batch["items"]} == {"open"}
    assert all(item["reason"]["encoder"] == ENCODER for item in batch["items"])
    assert "the batch goes on the queue once `quietcorner up` runs" in result.stderr


def test_a_batch_is_chosen_although_the_trigger_says_no(there: Database) -> None:
    _pool(there)
    rounds = [json.loads(run("batch", "next", NAME, "--json").stdout)["round"] for _ in range(4)]

    assert rounds == [1, 2, 3, 4]


def test_labels_train_the_model_that_the_next_batch_tells(there: Database) -> None:
    example = _pool(there)
    answer(there, example, {1: "praise", 2: "delay", 3: RARE, 4: "praise", 5: "delay", 6: RARE})
    batch = json.loads(run("batch", "next", NAME, "--json").stdout)

    assert batch["model"] == 1
    assert all(item["reason"]["predicted"] for item in batch["items"])


def test_before_anything_is_embedded_the_mend_is_told(there: Database) -> None:
    example = make_project(there)
    with pytest.raises(InvalidInputError, match=f"quietcorner ingest {NAME}"):
        run("batch", "next", NAME)
    add_items(there, example.id, [("Text", "mail")])
    with pytest.raises(InvalidInputError, match=r"none of the 1 items .* is embedded yet.*`quietcorner up`"):
        run("batch", "next", NAME)


def test_a_round_that_another_worker_is_at_is_waited_for(there: Database) -> None:
    example = _pool(there)
    add_batch(there, example.id, [1])
    with _held(there, example.id, lease_s=30.0), pytest.raises(QuietCornerError, match="another worker is at a round"):
        run("batch", "next", NAME, "--timeout", "0")


def test_the_batch_that_another_worker_stores_meanwhile_is_taken(
    there: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = _pool(there)
    add_batch(there, example.id, [3])
    monkeypatch.setattr("workers.commands.batch.time.sleep", lambda _: add_batch(there, example.id, [1, 2]))
    with _held(there, example.id, lease_s=30.0):
        batch = json.loads(run("batch", "next", NAME, "--json").stdout)

    assert [item["item_id"] for item in batch["items"]] == ["item-1", "item-2"]


def test_the_lane_of_a_worker_that_died_is_taken_over(there: Database) -> None:
    example = _pool(there)
    with _held(there, example.id, lease_s=0.2):
        batch = json.loads(run("batch", "next", NAME, "--json").stdout)

    assert batch["round"] == 1


def test_lanes_that_were_set_aside_run_again(there: Database) -> None:
    example = _pool(there)
    set_aside(there, example.id, lanes.ROUND, error="MemoryError")
    set_aside(there, example.id, lanes.EMBED, error="MemoryError")
    run("batch", "next", NAME)

    with there.read() as session:
        assert (example.id, lanes.EMBED) in lanes.lagging(session)


def test_the_table_shows_each_item_with_its_reason(there: Database) -> None:
    make_example(there)
    shown = run("batch", "show", NAME, "1").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]

    assert "tickets, batch of round 1: 3 of 4 items wanted" in lines[0]
    assert "model version 1, seed 7, 0 submissions seen; trained in 0.25 s, selected in 0.50 s" in lines[1]
    assert "shortfall: short by 1: no eligible item is left" in lines[2]
    place = lines.index("2 boundary done item-2 mail")
    assert lines[place + 1] == "Where is my parcel?"
    assert lines[place + 2] == (
        f"The model could hardly decide (doubt 0.50 of 1, cluster 3); model version 1 said {RARE} (62 %)."
    )
    assert "\x1b" not in shown


def test_the_newest_batch_is_shown_when_no_round_is_named(there: Database) -> None:
    make_example(there)
    batch = json.loads(run("batch", "show", NAME, "--json").stdout)

    assert batch["round"] == 2
    assert batch["items"][1]["reason"] == reason(2).model_dump()
    assert batch["items"][1]["why"].startswith("The model could hardly decide")


def test_with_overlap_the_answered_slots_are_counted(there: Database) -> None:
    example = _pool(there, selection={"batch_size": 2, "overlap": 3})
    batch = json.loads(run("batch", "next", NAME, "--json").stdout)
    answer(there, example, {int(batch["items"][0]["item_id"].removeprefix("item-")): "praise"})
    shown = run("batch", "show", NAME).stdout

    assert len(batch["items"][0]["assignments"]) == 3
    assert "1 of 3 done" in shown
    assert "0 of 3 done" in shown
    assert "overlap: 2 of 2 items, 0 of them of the audit sample, are answered by 3 annotators each" in shown


def test_a_share_of_the_batch_is_overlap_items_and_the_others_get_one_answer(there: Database) -> None:
    _pool(there, selection={"batch_size": 8, "audit_share": 0.25, "overlap": 2, "overlap_share": 0.5})
    batch = json.loads(run("batch", "next", NAME, "--json").stdout)
    asked = {item["item_id"]: len(item["assignments"]) for item in batch["items"]}
    audited = {item["item_id"] for item in batch["items"] if item["reason"]["channel"] == "audit"}

    assert sorted(asked.values()) == [1] * 4 + [2] * 4
    assert len(audited) == 2
    assert all(asked[item] == 2 for item in audited)
    assert all("2 annotators are asked" in item["why"] for item in batch["items"] if asked[item["item_id"]] == 2)


def test_classes_that_are_done_say_why_and_the_others_what_is_missing(there: Database) -> None:
    make_example(there)
    with there.write() as session:
        batch = session.exec(select(Batch).where(col(Batch.round) == 2)).one()
        batch.done = ["delay"]
        batch.stopping = {
            "delay": {"found": 90, "least": 0.93, "left": 1.6, "kappa": None},
            RARE: {"found": 3, "least": None, "left": 40.0, "kappa": 0.71},
        }
    shown = " ".join(run("batch", "show", NAME).stdout.split())
    batch_json = json.loads(run("batch", "show", NAME, "--json").stdout)

    assert "class 'delay' is done, its places went elsewhere: at least 93 % is found" in shown
    assert f"class {RARE!r} is not done: too few audit items tell how much of it is found" in shown
    assert batch_json["stopping"][RARE]["kappa"] == 0.71


def test_a_round_that_does_not_exist_is_told_with_those_that_do(there: Database) -> None:
    make_example(there)
    with pytest.raises(InvalidInputError, match="no round 9; its rounds are 1 to 2"):
        run("batch", "show", NAME, "9")


def test_a_project_without_a_batch_says_how_to_get_one(there: Database) -> None:
    make_project(there)
    with pytest.raises(InvalidInputError, match=f"quietcorner batch next {NAME}"):
        run("batch", "show", NAME)


def _pool(database: Database, **options: Any) -> Example:
    example = make_project(database, **{"selection": {"batch_size": 5}, **options})
    add_items(database, example.id, [(f"Text number {number}", "mail") for number in range(60)])
    embed(database, example.id)
    return example


@contextmanager
def _held(database: Database, project_id: int, *, lease_s: float) -> Iterator[Claim]:
    """Another worker holds the lane and never gives it back."""
    with database.write() as session:
        lanes.request(session, project_id, lanes.ROUND)
        claimed = lanes.claim(session, project_id=project_id, room=lanes.ROUND, owner="other", lease_s=lease_s)
    assert claimed is not None
    yield claimed
