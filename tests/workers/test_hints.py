"""Who hears of what: no lane is without a task that the sweep can wake, no event without an entry, no task unknown."""

import json
import os
import subprocess
import sys

import redis

from shared import lanes
from shared.events import Event
from shared.streams import CELERY_PREFIX
from workers.app import QUEUES, app, serve
from workers.hints import LAST, LISTENERS, ROOM_TASKS, queue_of

_CALL = """
from workers.hints import call_helpers, send_task
call_helpers("embedding.encode_part", 2, {"project_id": 7})
call_helpers("embedding.encode_part", 0, {"project_id": 7})
send_task("embedding.embed_pending", 7)
"""


def test_who_hears_of_answers_looks_before_a_claim_and_who_finds_a_lane_waiting_claims_first() -> None:
    assert LISTENERS[Event.LABELS_SUBMITTED] == ("selection.consider_round",)
    assert ROOM_TASKS[lanes.ROUND] == "selection.run_round"


def test_every_lane_has_a_task_and_every_event_its_listeners() -> None:
    assert set(ROOM_TASKS) == set(lanes.ROOMS)
    assert {queue_of(room) for room in lanes.ROOMS} == set(QUEUES)
    assert set(LISTENERS) == set(Event)


def test_every_task_that_is_woken_is_known_to_a_queue() -> None:
    serve(QUEUES)
    app.loader.import_default_modules()
    assert {*ROOM_TASKS.values(), *(task for tasks in LISTENERS.values() for task in tasks)} <= set(app.tasks)


def test_helpers_are_called_by_hints_that_wait_behind_a_workers_own_work(
    redis_server: str, redis_client: redis.Redis
) -> None:
    subprocess.run([sys.executable, "-c", _CALL], env={**os.environ, "REDIS_URL": redis_server}, check=True)
    own = redis_client.lrange(f"{CELERY_PREFIX}embedding", 0, -1)
    last = redis_client.lrange(f"{CELERY_PREFIX}embedding\x06\x16{LAST}", 0, -1)  # Redis gives these queues by priority
    assert [headers(message)["task"] for message in own] == ["embedding.embed_pending"]
    assert [headers(message)["task"] for message in last] == ["embedding.encode_part"] * 2
    assert all(headers(message)["expires"] for message in last)


def headers(message: bytes | str) -> dict[str, str]:
    found: dict[str, str] = json.loads(message)["headers"]
    return found
