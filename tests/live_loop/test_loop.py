"""The loop with real processes: labels in, next batch out."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scripts.tickets import tickets
from shared.tables import AssignmentState
from tests.live import LiveProject, Running, annotator, make_project, wait_for

pytestmark = pytest.mark.live

CONFIG = """
classes = {classes}
seed = 7
[selection]
batch_size = 20
[queue]
lease_s = {lease_s}
[[rules]]
name = "charge"
class = "fraud"
keywords = ["charge", "card", "account"]
"""


def start_project(running: Running, folder: Path, *, name: str, items: int = 160, lease_s: float = 60.0) -> LiveProject:
    rows = [ticket.row() for ticket in tickets(items, seed=5)]
    classes = json.dumps(sorted({row["label"] for row in rows} | {"fraud"}))
    config = CONFIG.format(classes=classes, lease_s=lease_s)
    return make_project(running.place, folder, config, rows, name=name)


def rows_of(project: LiveProject) -> list[dict[str, Any]]:
    return [json.loads(line) for line in project.items.read_text().splitlines()]


def test_labels_go_in_and_batches_come_out(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="loop")
    with annotator(project, "--delay", "0.01"):
        wait_for(lambda: project.count("label") >= 80, what="80 labels")
        wait_for(lambda: project.count("model", "metrics IS NOT NULL"), what="a measured model")
    status = running.place.facts("status", "loop")
    assert status["rounds"] >= 4
    assert status["labels"]["total"] >= 80
    assert status["model"]["version"] is not None
    # What came back is what the file holds, every item once, none of it late.
    truth = {row["id"]: row["label"] for row in rows_of(project)}
    joined = "SELECT item_id, value FROM label JOIN item ON item.id = item JOIN me ON me.id = item.project_id"
    labels = project.query(joined)
    assert labels
    assert all(json.loads(value) == truth[item_id] for item_id, value in labels)
    assert project.count("submission", "late OR unasked") == 0
    repeated = "SELECT item FROM assignment JOIN me ON me.id = project_id GROUP BY item HAVING count(*) > 1"
    assert project.query(repeated) == []


def test_a_burst_of_500_submissions_leads_to_one_or_two_rounds(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="burst", items=600)
    project.wait_for_batch(1)
    before = project.count("batch")
    project.send(
        [
            {"submission_id": f"burst-{number}", "item_id": row["id"], "label": row["label"]}
            for number, row in enumerate(rows_of(project)[:500])
        ]
    )
    wait_for(lambda: project.count("label") >= 500, what="500 labels")
    wait_for(lambda: project.count("batch") > before, what="a batch after the burst")
    time.sleep(2.0)
    assert 1 <= project.count("batch") - before <= 2
    assert 400 <= project.count("submission", "unasked") <= 500


def test_no_request_stays_unanswered_when_labels_arrive_while_rounds_run(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="waves")
    for number in range(1, 5):
        project.wait_for_batch(number)
        project.answer_all()
    wait_for(
        lambda: project.count("lane", "requested > completed AND room = 'round'") == 0,
        what="the lane to have answered every request",
    )
    seen = "SELECT max(submissions_seen) FROM batch JOIN me ON me.id = project_id"
    wait_for(lambda: project.query(seen)[0][0] >= 40, what="a round that has seen the labels")


def test_bad_messages_go_to_the_dead_letters_and_the_rest_goes_on(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="bad", items=40)
    redis = running.place.redis
    redis.delete("quietcorner:dead", "quietcorner:receipts:tester")
    dead = "SELECT count(*) FROM deadletter"
    before = running.place.query(dead)[0][0]
    first = rows_of(project)[0]
    good = {"item_id": first["id"], "label": first["label"]}
    redis.xadd("quietcorner:submissions", {"nonsense": "1"})
    redis.xadd("quietcorner:submissions", {"type": "quietcorner.submission.v1", "data": "{broken"})
    project.send(
        [
            {"submission_id": "a", **good},
            {"submission_id": "a", **good},
            {"submission_id": "a", **good, "label": "praise" if good["label"] != "praise" else "fraud"},
            {"submission_id": "b", **good, "label": "no such class"},
            {"submission_id": "c", **good, "item_id": "no such item"},
            {"project": "nowhere", "submission_id": "d", **good},
        ]
    )
    wait_for(lambda: running.place.query(dead) == [(before + 6,)], what="six dead letters")
    wait_for(lambda: redis.xlen("quietcorner:submissions") == 0, what="an empty submissions stream")
    reasons = " | ".join(reason for (reason,) in running.place.query("SELECT reason FROM deadletter"))
    for word in ("type", "data", "submission_id", "unknown class", "no item", "no project"):
        assert word in reasons
    receipts = [json.loads(fields[b"data"]) for _, fields in redis.xrange("quietcorner:receipts:tester")]
    assert Counter(receipt["status"] for receipt in receipts) == {"accepted": 1, "duplicate": 1, "refused": 4}
    assert redis.xlen("quietcorner:dead") == 6


def test_an_expired_lease_goes_back_and_a_late_answer_is_kept_and_marked(running: Running, tmp_path: Path) -> None:
    project = start_project(running, tmp_path, name="leases", items=40, lease_s=2.0)
    project.wait_for_batch(1)
    taken = running.place.redis.xreadgroup("annotators", "slow", {"quietcorner:tasks:leases": ">"}, count=1)
    task = json.loads(taken[0][1][0][1][b"data"])
    wait_for(
        lambda: any(
            other["assignment"] == task["assignment"] and other["lease"] > task["lease"] for other in project.tasks()
        ),
        what="the task to be queued anew",
    )
    named = {name: task[name] for name in ("item_id", "assignment", "lease")}
    project.send([{"submission_id": "late", "label": "praise", **named}])
    wait_for(lambda: project.count("submission", "late") == 1, what="the late answer")
    closed_by = """
        SELECT assignment.state FROM assignment JOIN submission ON submission.assignment = assignment.id
        JOIN me ON me.id = assignment.project_id"""
    assert project.query(closed_by) == [(AssignmentState.DONE,)]
