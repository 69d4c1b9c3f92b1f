"""`quietcorner plan`: from an unlabeled project, and from one that has labels."""

import json
from typing import Any

import pytest
from sqlmodel import func, select

from shared.database import Database
from shared.errors import InvalidInputError, UnknownProjectError
from shared.tables import Assignment, Batch, Item, Label, Lane, Model, OutboxEvent
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, RARE, Example, add_items, answer, embed, make_project

__all__ = ["there"]

TABLES = (Assignment, Batch, Item, Label, Lane, Model, OutboxEvent)


def make(there: Database, *, items: int = 200, **options: Any) -> Example:
    rules = [{"name": "refunds", "class": RARE, "keywords": ["refund"]}]
    example = make_project(there, rules=rules, targets={RARE: 30}, **options)
    texts = [(f"Text number {number}", "mail" if number % 4 else "chat") for number in range(items)]
    add_items(there, example.id, texts)
    embed(there, example.id)
    return example


def test_a_plan_before_the_first_label(there: Database) -> None:
    make(there)
    shown = " ".join(run("plan", NAME, "--budget", "80", "--waves", "40,20", "--prior", f"{RARE}=0.05").stdout.split())

    assert shown.startswith(
        "tickets: 200 items, none labeled. A budget of 80 labels: waves of 40 and 20, 20 in reserve."
    )
    assert f"By your guess, taken to be right within a factor of 2: {RARE} 5.0 % (2.5 % to 10 %)." in shown
    assert "Nothing is known of praise and delay: no label, and no guess" in shown
    assert "Proposed: 50 % of a wave is kept for sources" in shown
    assert '[quotas.sources] "chat" = 0.175, "mail" = 0.325' in shown
    assert "rule class hits left precision (95 %) in wave 1 in wave 2" in shown
    assert "no label yet" in shown
    assert "Wave 1 It is what round 1 would choose now, with these quotas." in shown
    assert "Wave 2 Its places rest on made-up labels" in shown
    assert "What would change the next one:" in shown
    assert f"{RARE} at its target of 30 labels (0 now)" in shown


def test_the_same_as_json(there: Database) -> None:
    make(there, selection={"batch_size": 40})
    made = _json("--budget", "80", "--prior", f"{RARE}=0.05")
    first, second = made["waves"]
    rare = next(one for one in first["expected"] if one["name"] == RARE)

    assert (made["project"], made["budget"], made["reserve"]) == (NAME, 80, 0)
    assert (first["places"], second["places"]) == (40, 40)
    assert made["notes"]["batches"] == []
    assert sum(first["channels"].values()) == sum(first["sources"].values()) == first["chosen"] == 40
    assert rare["value"] is not None
    assert rare["low"] < rare["value"] < rare["high"]
    assert first["assumed"]
    assert first["measured_after"]
    assert first["would_change_the_next"]


def test_without_a_guess_the_widest_interval_is_told(there: Database) -> None:
    make(there)
    made = _json("--budget", "50", "--waves", "50")

    assert [(one["value"], one["low"], one["high"]) for one in made["waves"][0]["expected"]] == [(None, 0, 50)] * 3
    assert [one["basis"] for one in made["classes"]] == ["nothing"] * 3


def test_after_labels_the_plan_knows_more(there: Database) -> None:
    example = make(there, selection={"batch_size": 60, "audit_share": 1.0})
    batch = json.loads(run("batch", "next", NAME, "--json").stdout)
    chosen = [int(item["item_id"].removeprefix("item-")) for item in batch["items"]]
    answer(there, example, {number: RARE if place < 6 else "praise" for place, number in enumerate(chosen)})
    made = _json("--budget", "40", "--prior", f"{RARE}=0.4")
    rare = next(one for one in made["classes"] if one["name"] == RARE)

    assert (made["labels"], made["audit_items"], made["modelled"]) == (60, 60, True)
    assert (rare["basis"], rare["share"]["value"]) == ("audit", pytest.approx(0.1))
    assert made["waves"][0]["round"] == 2
    assert "By 60 labeled audit items" in run("plan", NAME, "--budget", "40").stdout


def test_planning_changes_nothing(there: Database) -> None:
    make(there)
    before = _rows(there)
    run("plan", NAME, "--budget", "100")

    assert _rows(there) == before


def test_what_can_not_be_planned_is_told(there: Database) -> None:
    make_project(there)
    with pytest.raises(UnknownProjectError, match="there is no project 'nix'"):
        run("plan", "nix", "--budget", "10")
    with pytest.raises(InvalidInputError, match="no item with a vector"):
        run("plan", NAME, "--budget", "10")
    for options, why in (
        (("--budget", "10", "--waves", "6,6"), "they add up to 12, which is more than the budget of 10"),
        (("--budget", "10", "--waves", "6;4"), "numbers with commas between are expected"),
        (("--budget", "10", "--prior", "praise"), "a class and its share are expected"),
        (("--budget", "10", "--prior", "praise=0.1", "--prior", "praise=0.2"), "praise was given before as 0.1"),
        (("--budget", "10", "--prior", "nix=0.1"), "the classes are praise, delay"),
        (("--budget", "0"), "at least 1 label"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            run("plan", NAME, *options)


def test_the_help_has_an_example(there: Database) -> None:
    assert there.url
    shown = " ".join(run("plan", "--help").stdout.split())
    assert "Example: quietcorner plan tickets --budget 2000 --waves 1000,1000 --prior fraud=0.02" in shown


def _json(*arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("plan", NAME, *arguments, "--json").stdout)
    return shown


def _rows(there: Database) -> list[int]:
    with there.read() as session:
        return [session.exec(select(func.count()).select_from(table)).one() for table in TABLES]
