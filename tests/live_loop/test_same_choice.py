"""A simulated run and a live run through Celery and Redis choose the same items."""

import json
from pathlib import Path

import pytest
from sqlmodel import col, select

from scripts.tickets import tickets
from shared.database import open_database
from shared.repository.pools import description_space_of, space_of
from shared.tables import VectorSegment
from shared.urls import sqlite_url
from tests.live import LiveProject, Running, make_project, wait_for

pytestmark = pytest.mark.live

ROUNDS, BATCH, SEED = 4, 20, 11

RULES = """
[[rules]]
name = "charge"
class = "fraud"
keywords = ["charge", "card", "account"]

[[rules]]
name = "like fraud"
class = "fraud"
description = "There is a payment on my account that I did not make."

[[rules]]
name = "long"
class = "fraud"
hint = "length"
at_least = 100
"""
CONFIG = """
classes = {classes}
seed = {seed}
[selection]
batch_size = {batch}
[batch_trigger]
queue_below = 0.0
"""


def test_a_simulated_and_a_live_run_choose_the_same_items_in_the_same_order(running: Running, tmp_path: Path) -> None:
    # Fewer than the first segment holds, so that the live run too has the whole pool before its first round.
    rows = [{**ticket.row(), "split": "train", "length": len(ticket.text)} for ticket in tickets(200, seed=3)]
    test = [{**ticket.row(), "split": "test"} for ticket in tickets(40, seed=4, first=1_001)]
    both = tmp_path / "labeled.jsonl"
    both.write_text("".join(json.dumps(row) + "\n" for row in rows + test))
    (tmp_path / "rules.toml").write_text(RULES)
    classes = json.dumps(sorted({row["label"] for row in rows + test}))
    config = CONFIG.format(classes=classes, seed=SEED, batch=BATCH) + RULES
    project = make_project(running.place, tmp_path, config, rows, name="same")
    live = []
    for number in range(1, ROUNDS + 1):
        wait_for(
            lambda: project.count("batch") >= number and len(project.tasks()) == BATCH,  # noqa: B023 - called at once
            what=f"batch {number} on the queue",
        )
        live.append([task["item_id"] for task in project.tasks()])
        project.answer_all()
    share_vectors(project, tmp_path / "cache")
    running.place.run(
        *("simulate", str(both), "--init", str(BATCH), "--batch", str(BATCH), "--rounds", str(ROUNDS)),
        *("--seed", str(SEED), "--rules", str(tmp_path / "rules.toml"), "--json", str(tmp_path / "rounds.jsonl")),
        *("--cache", str(tmp_path / "cache")),
    )
    simulated = [
        [chosen["item_id"] for chosen in json.loads(line)["selected"]]
        for line in (tmp_path / "rounds.jsonl").read_text().splitlines()
    ]
    assert live == simulated


def share_vectors(project: LiveProject, cache: Path) -> None:
    """Give a simulation the live project's vectors: encoded beside other texts, a vector may differ in its last bit."""
    ((number,),) = project.query("SELECT id FROM me")
    of_project = col(VectorSegment.space).in_([space_of(number), description_space_of(number)])
    cache.mkdir()
    settings = project.place.settings
    ours = open_database(settings.model_copy(update={"database_url": sqlite_url(cache / "embeddings.db")}))
    theirs = project.place.database
    with theirs.read() as from_project, ours.write() as to_cache:
        for segment in from_project.exec(select(VectorSegment).where(of_project)):
            to_cache.add(VectorSegment(**segment.model_dump(exclude={"id", "space"}), space="cache"))
    theirs.close()
    ours.close()
