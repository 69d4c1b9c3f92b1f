"""`quietcorner explain`: one sentence for an item that was chosen, and what is known of one that was not."""

import json
from typing import Any

import pytest
from sqlmodel import col, select

from shared.database import Database
from shared.errors import InvalidInputError, UnknownProjectError
from shared.tables import Item
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, NASTY, RARE, Example, add_items, answer, embed, make_project

__all__ = ["there"]


def test_the_reason_is_one_sentence(there: Database) -> None:
    _pool(there)
    first = json.loads(run("batch", "next", NAME, "--json").stdout)["items"][0]
    shown = _explain(first["item_id"])

    assert f"tickets, {first['item_id']} from mail:" in shown
    assert f"Chosen in round 1 at rank 1 (open): {first['why']}" in shown
    assert "It has no label. There is no model yet. No other item is labeled that could be compared with it." in shown


def test_the_model_and_the_nearest_labeled_items_are_shown(there: Database) -> None:
    example = _pool(there)
    answer(there, example, {1: "praise", 2: "delay", 3: RARE, 4: "praise", 5: "delay", 6: RARE})
    run("batch", "next", NAME)
    shown = _explain("item-1")

    assert "It was never chosen: its label came unasked. Its label is praise, from one answer." in shown
    assert "Model version 1 now says praise: praise " in shown
    assert "The nearest labeled items: cosine label item, source, and text" in shown
    assert "praise item-4 mail Text number 3" in shown
    assert "praise item-1 mail" not in shown


def test_nothing_is_said_of_neighbours_that_nobody_asked_for(there: Database) -> None:
    answer(there, _pool(there), {1: "praise", 2: "delay"})
    shown = run("explain", NAME, "item-3", "--neighbours", "0").stdout

    assert "It was never chosen." in shown
    assert "labeled items" not in shown
    assert "No other item" not in shown


def test_json_has_every_reason_in_full(there: Database) -> None:
    example = _pool(there)
    answer(there, example, {1: "praise", 2: "delay", 3: RARE})
    chosen = json.loads(run("batch", "next", NAME, "--json").stdout)["items"][2]
    shown = json.loads(run("explain", NAME, chosen["item_id"], "--neighbours", "2", "--json").stdout)

    assert (shown["project"], shown["item_id"], shown["text"]) == (NAME, chosen["item_id"], chosen["text"])
    assert shown["chosen"] == [{"round": 1, "why": chosen["why"], "states": ["open"], "reason": chosen["reason"]}]
    assert (shown["label"], shown["duplicates"], shown["embedded"]) == (None, None, True)
    assert shown["prediction"]["model"] == 1
    assert len(shown["neighbours"]) == 2


def test_a_duplicate_names_who_stands_for_it_and_how_that_is_labeled(there: Database) -> None:
    example = _pool(there)
    with there.write() as session:
        items = session.exec(select(Item).where(col(Item.item_id).in_(["item-7", "item-8"])).order_by(col(Item.id)))
        one, other = items.all()
        one.duplicate_group = other.duplicate_group = one.id
    answer(there, example, {7: "delay"})

    assert "It was never chosen: item-7 is queued in its place." in _explain("item-8")
    assert "2 items say the same or nearly so; item-7 stands for all of them. Labeled among them: item-7 as delay." in (
        _explain("item-8")
    )
    assert "it stands for all of them." in _explain("item-7")


def test_an_item_without_a_vector_is_told_as_such(there: Database) -> None:
    example = make_project(there)
    add_items(there, example.id, [(NASTY, "mail")])
    shown = _explain("item-1")

    assert "It was never chosen: it has no vector yet" in shown
    assert "\x1b" not in shown


def test_with_overlap_the_answered_slots_are_counted(there: Database) -> None:
    example = _pool(there, selection={"batch_size": 2, "overlap": 3})
    first = json.loads(run("batch", "next", NAME, "--json").stdout)["items"][0]["item_id"]
    answer(there, example, {int(first.removeprefix("item-")): "praise"})

    assert "at rank 1 (1 of 3 done): " in _explain(first)


def test_unknown_items_and_projects_are_told(there: Database) -> None:
    make_project(there)
    with pytest.raises(InvalidInputError, match=f"{NAME} has no item 'nix'; `quietcorner batch show {NAME}`"):
        run("explain", NAME, "nix")
    with pytest.raises(UnknownProjectError, match="there is no project 'nix'"):
        run("explain", "nix", "item-1")


def test_the_help_has_an_example(there: Database) -> None:
    assert there.url
    assert "Example: quietcorner explain tickets t-4711" in run("explain", "--help").stdout


def _pool(database: Database, **options: Any) -> Example:
    example = make_project(database, **{"selection": {"batch_size": 5}, **options})
    add_items(database, example.id, [(f"Text number {number}", "mail") for number in range(60)])
    embed(database, example.id)
    return example


def _explain(item_id: str) -> str:
    """What is shown, with one space wherever there is room."""
    return " ".join(run("explain", NAME, item_id).stdout.split())
