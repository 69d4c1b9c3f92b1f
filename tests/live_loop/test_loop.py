"""The loop with real processes: labels in, next batch out."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from scripts.tickets import tickets
from shared.tables import AssignmentState
from tests.live import Place, annotator, child, kill, make_place, open_tasks, send_answers, up, wait_for

pytestmark = pytest.mark.live

CONFIG = """
classes = {classes}
seed = 7
[selection]
batch_size = 20
[batch_trigger]
queue_below = {queue_below}
[queue]
lease_s = {lease_s}
[[rules]]
name = "charge"
class = "fraud"
keywords = ["charge", "card", "account"]
"""


_HELD = "SELECT owner FROM lane WHERE room = 'round' AND owner IS NOT NULL"


def make_rows(count: int = 240) -> list[dict[str, Any]]:
    return [ticket.row() for ticket in tickets(count, seed=5)]


def config(rows: list[dict[str, Any]], *, queue_below: float = 0.5, lease_s: float = 60.0) -> str:
    classes = json.dumps(sorted({row["label"] for row in rows} | {"fraud"}))
    return CONFIG.format(classes=classes, queue_below=queue_below, lease_s=lease_s)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def answer_all(place: Place, rows: list[dict[str, Any]], prefix: str) -> int:
    """Answer every task on the queue at once; how many."""
    truth = {row["id"]: row["label"] for row in rows}
    tasks = open_tasks(place)
    send_answers(
        place,
        [
            {
                "submission_id": f"{prefix}-{task['assignment']}",
                "item_id": task["item_id"],
                "label": truth[task["item_id"]],
                "assignment": task["assignment"],
                "lease": task["lease"],
            }
            for task in tasks
        ],
    )
    return len(tasks)


def batches(place: Place) -> int:
    return int(place.query("SELECT count(*) FROM batch")[0][0])


def wait_for_batch(place: Place, number: int) -> None:
    wait_for(lambda: batches(place) >= number and len(open_tasks(place)) >= 10, what=f"batch {number} on the queue")


def test_labels_go_in_and_batches_come_out_until_the_annotator_stops(place: Place, tmp_path: Path) -> None:
    rows = make_rows()
    place.make_project(config(rows), rows)
    with up(place), annotator(place, tmp_path / "items.jsonl", "--delay", "0.01"):
        wait_for(lambda: place.query("SELECT count(*) FROM label")[0][0] >= 100, what="100 labels")
        wait_for(
            lambda: place.query("SELECT count(*) FROM model WHERE metrics IS NOT NULL")[0][0], what="a measured model"
        )
        status = place.facts("status", "tickets")
    assert status["rounds"] >= 4
    assert status["labels"]["total"] >= 100
    assert status["model"]["version"] is not None
    assert status["dead_letters"] == 0
    # What came back is what the file holds, every item once, none of it late.
    truth = {row["id"]: row["label"] for row in rows}
    labels = place.query("SELECT item.item_id, label.value FROM label JOIN item ON item.id = label.item")
    assert all(json.loads(value) == truth[item_id] for item_id, value in labels)
    assert place.query("SELECT count(*) FROM submission WHERE late OR unasked") == [(0,)]
    repeated = "SELECT item, count(*) FROM assignment GROUP BY item HAVING count(*) > 1"
    assert place.query(repeated) == []


def test_a_burst_of_500_submissions_leads_to_one_or_two_rounds_and_the_last_label_counts(place: Place) -> None:
    rows = make_rows(700)
    place.make_project(config(rows), rows)
    with up(place):
        wait_for_batch(place, 1)
        before = batches(place)
        burst = [
            {"submission_id": f"burst-{number}", "item_id": row["id"], "label": row["label"]}
            for number, row in enumerate(rows[:500])
        ]
        send_answers(place, burst)
        wait_for(lambda: place.query("SELECT count(*) FROM label")[0][0] >= 500, what="500 labels")
        wait_for(lambda: batches(place) > before, what="a batch after the burst")
        time.sleep(3.0)
        assert 1 <= batches(place) - before <= 2
        unasked = place.query("SELECT count(*) FROM submission WHERE unasked")[0][0]
        assert 400 <= unasked <= 500


def test_labels_that_arrive_while_a_round_runs_are_seen_by_a_later_look(place: Place) -> None:
    rows = make_rows()
    place.make_project(config(rows), rows)
    with up(place):
        for number in range(1, 5):
            wait_for_batch(place, number)
            answer_all(place, rows, f"round-{number}")
        wait_for_batch(place, 5)
        wait_for(
            lambda: place.query("SELECT count(*) FROM lane WHERE requested > completed AND room = 'round'") == [(0,)],
            what="the lane to have answered every request",
        )


def test_bad_messages_go_to_the_dead_letters_and_the_rest_goes_on(place: Place) -> None:
    rows = make_rows(60)
    place.make_project(config(rows), rows)
    with up(place):
        wait_for_batch(place, 1)
        redis = place.redis
        redis.xadd("quietcorner:submissions", {"nonsense": "1"})
        redis.xadd("quietcorner:submissions", {"type": "quietcorner.submission.v1", "data": "{broken"})
        good = {"item_id": rows[0]["id"], "label": rows[0]["label"]}
        send_answers(
            place,
            [
                {"submission_id": "a", **good},
                {"submission_id": "a", **good},
                {"submission_id": "a", **good, "label": "praise" if good["label"] != "praise" else "fraud"},
                {"submission_id": "b", **good, "label": "no such class"},
                {"submission_id": "c", **good, "item_id": "no such item"},
            ],
        )
        send_answers(place, [{"submission_id": "d", **good}], project="nowhere")
        wait_for(lambda: place.query("SELECT count(*) FROM deadletter") == [(6,)], what="six dead letters")
        wait_for(lambda: redis.xlen("quietcorner:submissions") == 0, what="an empty submissions stream")
        reasons = " | ".join(reason for (reason,) in place.query("SELECT reason FROM deadletter"))
        for word in ("type", "data", "submission_id", "unknown class", "no item", "no project"):
            assert word in reasons
        receipts = [json.loads(fields[b"data"]) for _, fields in redis.xrange("quietcorner:receipts:tester")]
        assert Counter(receipt["status"] for receipt in receipts) == {"accepted": 1, "duplicate": 1, "refused": 4}
        assert redis.xlen("quietcorner:dead") == 6


def test_an_expired_lease_goes_back_and_a_late_answer_is_kept_and_marked(place: Place) -> None:
    rows = make_rows(60)
    place.make_project(config(rows, lease_s=2.0), rows)
    with up(place):
        wait_for_batch(place, 1)
        taken = place.redis.xreadgroup("annotators", "slow", {"quietcorner:tasks:tickets": ">"}, count=1)
        task = json.loads(taken[0][1][0][1][b"data"])
        wait_for(
            lambda: any(
                other["assignment"] == task["assignment"] and other["lease"] > task["lease"]
                for other in open_tasks(place)
            ),
            what="the task to be queued anew",
        )
        send_answers(
            place,
            [
                {
                    "submission_id": "late",
                    "item_id": task["item_id"],
                    "label": "praise",
                    "assignment": task["assignment"],
                    "lease": task["lease"],
                }
            ],
        )
        wait_for(lambda: place.query("SELECT late FROM submission") == [(1,)], what="the late answer")
        closed_by = "SELECT state FROM assignment JOIN submission ON submission.assignment = assignment.id"
        assert place.query(closed_by) == [(AssignmentState.DONE,)]


def test_a_worker_killed_in_the_middle_of_a_round_costs_one_lease_time_and_nothing_else(place: Place) -> None:
    rows = make_rows(400)
    place.make_project(config(rows), rows)
    with up(place) as process:
        killed = 0
        for number in range(1, 5):
            wait_for_batch(place, number)
            answer_all(place, rows, f"round-{number}")
            try:
                wait_for(lambda: place.query(_HELD), what="a round to begin", limit_s=3.0, every_s=0.001)
            except AssertionError:
                continue  # it was over before we looked
            kill(child(process, "worker", "training"))
            killed += 1
        assert killed
        wait_for_batch(place, 5)
        open_twice = "SELECT item FROM assignment WHERE state = 'open' GROUP BY item HAVING count(*) > 1"
        assert place.query(open_twice) == []
        rounds = [number for (number,) in place.query("SELECT round FROM batch ORDER BY round")]
        assert rounds == list(range(1, len(rounds) + 1))


def test_redis_losing_everything_loses_no_label_and_the_queue_comes_back(place: Place) -> None:
    rows = make_rows()
    place.make_project(config(rows), rows)
    with up(place):
        wait_for_batch(place, 1)
        place.redis.flushall()
        wait_for_batch(place, 1)
        assert answer_all(place, rows, "after") >= 10
        wait_for_batch(place, 2)
        assert place.query("SELECT item FROM assignment GROUP BY item HAVING count(*) > 1") == []


def test_redis_killed_during_the_loop_comes_back_and_so_do_the_workers(place: Place) -> None:
    rows = make_rows()
    place.make_project(config(rows), rows)
    with up(place) as process:
        wait_for_batch(place, 1)
        next(each for each in process.children() if "redis" in each.name()).kill()
        wait_for(lambda: _answers(place), what="Redis to be back")
        assert answer_all(place, rows, "after") >= 10
        wait_for_batch(place, 2)
        assert place.query("SELECT count(*) FROM label")[0][0] >= 10


def _answers(place: Place) -> bool:
    try:
        return bool(place.redis.ping())
    except RedisError:
        return False
