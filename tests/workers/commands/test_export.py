import json
from pathlib import Path

import pytest

from shared.database import Database
from shared.errors import InvalidInputError
from tests.workers.reporting.command import run, there
from tests.workers.reporting.example import NAME, NASTY, RARE, make_example, make_project
from workers.reporting.labeled import labeled_items

__all__ = ["there"]


def test_each_labeled_item_is_one_line(there: Database) -> None:
    example = make_example(there)
    lines = [json.loads(line) for line in run("export", NAME).stdout.split("\n")[:-1]]

    with there.read() as session:
        assert lines == list(labeled_items(session, example.id))
    assert (lines[0]["item_id"], lines[0]["text"], lines[0]["label"]) == ("item-1", NASTY, RARE)


def test_a_file_gets_the_same_lines_and_nothing_beside_it(there: Database) -> None:
    make_example(there)
    told = run("export", NAME, "--out", "labels.jsonl")

    assert told.stdout == ""
    assert "4 labeled items written to labels.jsonl" in told.stderr
    assert Path("labels.jsonl").read_text(encoding="utf-8") == run("export", NAME).stdout
    assert [path.name for path in Path().iterdir()] == ["labels.jsonl"]


def test_a_project_without_labels_gives_no_line(there: Database) -> None:
    make_project(there)

    assert run("export", NAME).stdout == ""


def test_a_file_that_can_not_be_written_is_told(there: Database) -> None:
    make_example(there)
    Path("taken").touch()
    with pytest.raises(InvalidInputError, match="can't be written"):
        run("export", NAME, "--out", "taken/labels.jsonl")


def test_what_is_exported_can_be_submitted_again(there: Database) -> None:
    make_example(there)
    run("export", NAME, "--out", "labels.jsonl")
    summary = json.loads(run("submit", NAME, "labels.jsonl", "--json").stdout)

    assert (summary["accepted"], summary["refused"]) == (4, 0)
