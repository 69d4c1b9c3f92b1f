"""`quietcorner imbalance`: a project, or a labeled file in which all is counted."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.database import Database
from shared.errors import InvalidInputError, UnknownProjectError
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, RARE, add_items, answer, embed, make_example, make_project

__all__ = ["there"]


def test_a_project_is_shown_with_what_its_imbalance_calls_for(there: Database) -> None:
    make_example(there)
    shown = " ".join(run("imbalance", NAME).stdout.split())

    assert shown.startswith("tickets: 10 items, 4 of them labeled labels: largest class to smallest that occurs 2.0")
    assert "class labels share of the pool (95 %) ratio weight effective delay 1 25 % 2.0 1.33 1.0" in shown
    assert "source items share labels of all labels labels by class mail 9 90 % 3 75 % praise 2, delay 1" in shown
    assert "- No audit item is labeled yet, so nobody knows how rare the classes are in the pool." in shown
    assert f"- Under 20 labels, or under a lower target: delay (1) and {RARE} (1 of 5). Coverage and random" in shown


def test_the_audit_sample_gives_shares_of_the_pool_with_intervals(there: Database) -> None:
    example = make_project(there, selection={"batch_size": 30, "audit_share": 1.0})
    add_items(there, example.id, [(f"Text number {number}", "mail") for number in range(60)])
    embed(there, example.id)
    chosen = [int(item["item_id"].removeprefix("item-")) for item in _batch()["items"]]
    answer(there, example, {number: RARE if place < 6 else "praise" for place, number in enumerate(chosen)})
    shown = _json(NAME)
    rare = next(one for one in shown["classes"] if one["name"] == RARE)

    assert (shown["project"], shown["items"], shown["labels"], shown["audit_items"]) == (NAME, 60, 30, 30)
    assert (shown["audit_covered"], shown["beta"]) == (1.0, 0.999)
    assert rare["prevalence"]["value"] == pytest.approx(0.2)
    assert rare["prevalence"]["low"] < 0.2 < rare["prevalence"]["high"]
    assert shown["of_pool"]["imbalance_ratio"] == pytest.approx(4)
    assert [one["condition"] for one in shown["calls_for"]] == ["no_label", "few_labels"]
    assert shown["calls_for"][0]["names"] == ["delay"]
    assert "estimated from 30 audit items" in run("imbalance", NAME).stdout


def test_a_project_without_items_has_figures_all_the_same(there: Database) -> None:
    make_project(there)
    shown = _json(NAME)

    assert (shown["items"], shown["labels"], shown["of_pool"]) == (0, 0, None)
    assert "labels: none" in run("imbalance", NAME).stdout


def test_a_labeled_file_is_counted_exactly(there: Database) -> None:
    file = _file(["praise"] * 180 + ["delay"] * 19 + ["fraud"])
    shown = _json("--file", str(file), "--beta", "0.9")
    fraud = next(one for one in shown["classes"] if one["name"] == "fraud")

    assert there.url
    assert (shown["file"], shown["items"], shown["labels"], shown["beta"]) == (str(file), 200, 200, 0.9)
    assert (fraud["labels"], fraud["share"], fraud["ratio"], fraud["effective_number"]) == (1, 0.005, 180, 1)
    assert fraud["weight"] == pytest.approx(200 / 3)
    assert fraud["prevalence"] == {"value": 0.005, "low": 0.005, "high": 0.005}
    assert {one["condition"]: one["names"] for one in shown["calls_for"]} == {
        "few_labels": ["delay", "fraud"],
        "rare": ["fraud"],
        "beyond_need": ["praise"],
    }


def test_rows_that_can_not_be_used_are_told_beside_the_output(there: Database) -> None:
    file = _file(["praise", "delay"])
    with file.open("a") as rows:
        rows.write('{"text": "no label"}\n')
    result = run("imbalance", "--file", str(file), "--json")

    assert there.url
    assert json.loads(result.stdout)["items"] == 2
    assert "1 row(s) left out, the first at line 3: label is missing" in result.stderr


def test_many_classes_stay_readable(there: Database) -> None:
    file = _file([f"class {number}" for number in range(300)])
    shown = run("imbalance", "--file", str(file)).stdout

    assert there.url
    assert "and 292 more. " in " ".join(shown.split())
    assert "and 250 more (--json shows all)" in shown


def test_either_a_project_or_a_file_is_wanted(there: Database) -> None:
    make_project(there)
    for arguments in ((), (NAME, "--file", "labeled.jsonl")):
        with pytest.raises(InvalidInputError, match="either a project's NAME or --file FILE"):
            run("imbalance", *arguments)
    with pytest.raises(UnknownProjectError, match="there is no project 'nix'"):
        run("imbalance", "nix")
    with pytest.raises(InvalidInputError, match=r"nix\.jsonl: there is no such file"):
        run("imbalance", "--file", "nix.jsonl")


def test_the_help_has_an_example(there: Database) -> None:
    assert there.url
    assert "Example: quietcorner imbalance --file labeled.jsonl --json" in run("imbalance", "--help").stdout


def _json(*arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("imbalance", *arguments, "--json").stdout)
    return shown


def _batch() -> dict[str, Any]:
    batch: dict[str, Any] = json.loads(run("batch", "next", NAME, "--json").stdout)
    return batch


def _file(labels: list[str]) -> Path:
    path = Path("labeled.jsonl")
    rows = [{"text": f"Text number {number}", "label": label} for number, label in enumerate(labels)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
