"""`quietcorner augment`: making, showing, reviewing and dropping texts."""

import json
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO, Any

import pytest
from sqlmodel import col, select

from shared.database import Database
from shared.tables import AugmentedText
from tests.workers.commands.command_line import CommandLine, cli

__all__ = ["cli"]

PROJECT = """
classes = ["common", "fraud"]
[augmentation]
review_share = 1.0
review_at_least = 2
[[augmentation.recipes]]
name = "words"
kind = "replace"
per_item = 100
words = { card = ["visa", "plastic"], stole = ["took", "grabbed"] }
[[augmentation.recipes]]
name = "sentences"
kind = "templates"
classes = ["fraud"]
templates = ["{who} emptied my account."]
slots = { who = ["Somebody", "He"] }
"""


@pytest.fixture
def made(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A project `p` of ten labeled items, one of which is rare, and an item that a recipe would make."""
    (tmp_path / "project.toml").write_text(PROJECT, encoding="utf-8")
    texts = {f"i{number}": f"an invoice of {number}" for number in range(9)}
    texts |= {"rare": "Somebody stole my card", "there": "somebody took my VISA"}
    _write(tmp_path / "items.jsonl", *({"id": name, "text": text} for name, text in texts.items()))
    labels = [{"id": name, "label": "fraud" if name == "rare" else "common"} for name in texts if name != "there"]
    _write(tmp_path / "labels.jsonl", *labels)
    assert cli("project", "create", "p", "--config", tmp_path / "project.toml").code == 0
    assert cli("ingest", "p", tmp_path / "items.jsonl").code == 0
    assert cli("submit", "p", tmp_path / "labels.jsonl").code == 0
    return cli


def test_texts_are_made_shown_and_never_those_of_the_pool(made: CommandLine, database: Database) -> None:
    tried = json.loads(made("augment", "make", "p", "--dry-run", "--json").out)
    assert _texts(database) == []
    told = made("augment", "make", "p")
    facts = json.loads(made("augment", "show", "p", "--json").out)["recipes"]

    assert [one["made"] for one in tried["recipes"]] == [7, 2] == [one["made"] for one in facts]
    assert "words: 7 made of 1 labeled item(s) of fraud; 7 wait for review, " in told.out
    assert "-> " in told.out
    assert "quietcorner augment review p" in told.out
    assert [(one["teaching"], one["pending"]) for one in facts] == [(0, 7), (0, 2)]
    assert [one["text"] for one in facts[1]["examples"]] == [text.text for text in _texts(database)[7:]]
    assert "somebody took my visa" not in {text.text.lower() for text in _texts(database)}
    assert "sentences" in made("augment", "show", "p").out


def test_a_recipe_that_cannot_be_made_is_named_at_the_end_and_the_others_are_made(
    made: CommandLine, database: Database, tmp_path: Path
) -> None:
    lexicon, changed = tmp_path / "nowhere.toml", tmp_path / "changed.toml"
    words = 'words = { card = ["visa", "plastic"], stole = ["took", "grabbed"] }'
    changed.write_text(PROJECT.replace(words, f"lexicon = {json.dumps(str(lexicon))}"), encoding="utf-8")
    assert made("project", "update", "p", "--config", changed).code == 0
    run = made("augment", "make", "p")
    again = made("augment", "make", "p", "--json")

    assert {text.recipe for text in _texts(database)} == {"sentences"}
    assert "words: 0 made of 1 labeled item(s) of fraud; 0 wait for review, 0 made before, then it failed" in run.out
    assert "sentences: 2 made of 1 labeled item(s) of fraud" in run.out
    assert (run.code, again.code) == (2, 2)
    assert f"error: recipe 'words': the lexicon {lexicon} can't be read" in run.err
    words_again, sentences_again = json.loads(again.out)["recipes"]
    assert words_again["error"].startswith(f"the lexicon {lexicon} can't be read")
    assert sentences_again["error"] is None


def test_what_was_made_before_is_what_show_counts(made: CommandLine) -> None:
    made("augment", "make", "p")
    again = json.loads(made("augment", "make", "p", "--json").out)["recipes"]
    shown = json.loads(made("augment", "show", "p", "--json").out)["recipes"]

    assert [(one["made"], one["made_before"]) for one in again] == [(0, 7), (0, 2)]
    assert [one["made"] for one in shown] == [one["made_before"] for one in again]
    assert "words: 0 made of 1 labeled item(s) of fraud; 0 wait for review, 7 made before, " in (
        made("augment", "make", "p").out
    )


def test_one_recipe_is_made_alone_and_another_name_is_refused(made: CommandLine, database: Database) -> None:
    assert made("augment", "make", "p", "--recipe", "sentences").code == 0
    assert {text.recipe for text in _texts(database)} == {"sentences"}
    refused = made("augment", "make", "p", "--recipe", "guess")
    assert refused.code == 2
    assert "no recipe 'guess'; it has: words, sentences" in refused.err


def test_what_waits_goes_out_to_any_tool_and_its_answers_come_back(
    made: CommandLine, database: Database, tmp_path: Path
) -> None:
    made("augment", "make", "p")
    out, answers = tmp_path / "pending.jsonl", tmp_path / "reviews.jsonl"
    assert "9 text(s) wait for review" in made("augment", "export", "p", "--out", out).err
    waiting = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert waiting[0] == {
        "id": _texts(database)[0].id,
        "recipe": "words",
        "text": _texts(database)[0].text,
        "review": "pending",
        "parent": "rare",
        "parent_text": "Somebody stole my card",
        "label": "fraud",
    }
    _write(
        answers,
        {"id": waiting[0]["id"], "review": "accepted"},
        {"id": waiting[7]["id"], "review": "rejected"},
        {"id": waiting[8]["id"], "review": "rejected"},
    )
    told = json.loads(made("augment", "review", "p", "--file", answers, "--reviewer", "anna", "--json").out)

    assert told == {"project": "p", "reviewed": 3, "stopped": ["sentences"]}
    states = [(text.review, text.reviewer) for text in _texts(database)]
    assert states == [("accepted", "anna"), *[("pending", None)] * 6, *[("rejected", "anna")] * 2]
    assert "stopped" in made("augment", "show", "p").out
    assert "sentences: stopped" in made("augment", "make", "p").out
    assert json.loads(made("augment", "review", "p", "--file", answers, "--json").out)["reviewed"] == 0
    assert len(made("augment", "export", "p").out.splitlines()) == 6


def test_a_file_with_a_wrong_line_is_refused_as_a_whole(made: CommandLine, database: Database, tmp_path: Path) -> None:
    made("augment", "make", "p")
    answers = tmp_path / "reviews.jsonl"
    for line, fault in (
        ("{", "line 2: not JSON"),
        ("[]", "line 2: "),
        ('{"id": "1", "review": "accepted"}', "line 2: "),
        ('{"id": true, "review": "accepted"}', "line 2: "),
        ('{"id": 1, "review": "pending"}', "line 2: "),
        ('{"id": 1, "review": ["accepted"]}', "line 2: "),
        ('{"id": 99999, "review": "accepted"}', "id 99999: the project has no augmented text"),
    ):
        answers.write_text(f'{{"id": {_texts(database)[0].id}, "review": "accepted"}}\n{line}\n', encoding="utf-8")
        refused = made("augment", "review", "p", "--file", answers)

        assert refused.code == 2
        assert fault in refused.err
        assert {text.review for text in _texts(database)} == {"pending"}


def test_texts_of_another_project_cannot_be_reviewed(made: CommandLine, database: Database, tmp_path: Path) -> None:
    made("augment", "make", "p")
    made("project", "create", "q", "--config", tmp_path / "project.toml")
    _write(tmp_path / "reviews.jsonl", {"id": _texts(database)[0].id, "review": "accepted"})
    assert made("augment", "review", "q", "--file", tmp_path / "reviews.jsonl").code == 2


def test_a_recipe_that_was_taken_out_is_shown_as_long_as_there_are_texts_of_it(
    made: CommandLine, tmp_path: Path
) -> None:
    made("augment", "make", "p")
    (tmp_path / "plain.toml").write_text('classes = ["common", "fraud"]', encoding="utf-8")
    assert made("project", "update", "p", "--config", tmp_path / "plain.toml").code == 0
    facts = json.loads(made("augment", "show", "p", "--json").out)["recipes"]
    shown = made("augment", "show", "p").out
    for recipe in ("words", "sentences"):
        made("augment", "drop", "p", "--recipe", recipe)

    assert [(one["recipe"], one["kind"], one["made"], one["teaching"]) for one in facts] == [
        ("sentences", None, 2, 0),
        ("words", None, 7, 0),
    ]
    assert shown.count(" gone ") == 2
    assert "augmentation is off" in made("augment", "show", "p").out


def test_what_was_dropped_is_gone_and_may_be_made_again(made: CommandLine, database: Database) -> None:
    made("augment", "make", "p")
    before = [text.text for text in _texts(database) if text.recipe == "words"]
    assert json.loads(made("augment", "drop", "p", "--recipe", "words", "--json").out)["dropped"] == 7
    assert {text.recipe for text in _texts(database)} == {"sentences"}
    assert made("augment", "drop", "p", "--recipe", "guess").code == 2
    made("augment", "make", "p")
    assert [text.text for text in _texts(database) if text.recipe == "words"] == before


def test_a_project_without_recipes_says_that_augmentation_is_off(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "plain.toml").write_text('classes = ["a", "b"]', encoding="utf-8")
    cli("project", "create", "plain", "--config", tmp_path / "plain.toml")
    assert "augmentation is off" in cli("augment", "make", "plain").err
    assert "augmentation is off" in cli("augment", "show", "plain").out


def test_without_a_terminal_the_way_by_files_is_told(made: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        refused = made("augment", "review", "p")
    assert refused.code == 2
    assert "augment export" in refused.err


def test_on_a_terminal_each_text_is_shown_beside_its_parent_and_answered_by_a_key(
    made: CommandLine, database: Database
) -> None:
    made("augment", "make", "p")
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "workers.cli", "augment", "review", "p", "--reviewer", "anna"]
    with subprocess.Popen(command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        shown = ""
        for key in "asrq":
            shown += _until_asked(running.stdout, terminal)
            os.write(controller, key.encode())
        shown += running.stdout.read().decode()
    os.close(controller)
    os.close(terminal)

    assert [text.review for text in _texts(database)] == ["accepted", "pending", "rejected", *["pending"] * 6]
    assert "1 of 9" in shown
    assert "4 of 9" in shown
    assert "Somebody stole my card" in shown
    assert _texts(database)[0].text in shown
    assert "2 review(s) taken" in shown


def _until_asked(stream: IO[bytes], terminal: int) -> str:
    """What is shown up to the next prompt, once the terminal waits for a single key."""
    shown = b""
    while not shown.endswith(b"[q]uit: "):
        piece = stream.read(1)
        assert piece, shown.decode()
        shown += piece
    deadline = time.monotonic() + 20
    while termios.tcgetattr(terminal)[3] & termios.ICANON and time.monotonic() < deadline:
        time.sleep(0.01)
    return shown.decode()


def _texts(database: Database) -> list[AugmentedText]:
    with database.read() as session:
        return list(session.exec(select(AugmentedText).order_by(col(AugmentedText.id))))


def _write(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
