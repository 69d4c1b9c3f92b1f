"""What is read off the annotation queue, on real Redis."""

import pytest
import redis

from shared.streams import ANNOTATORS, tasks_key
from workers.dispatch import queue

KEY = tasks_key("tickets")


def fill(client: redis.Redis, entries: int) -> None:
    client.xgroup_create(KEY, ANNOTATORS, id="0", mkstream=True)
    for number in range(1, entries + 1):
        client.xadd(KEY, {"id": f"{number}.1"})


def test_who_holds_what_is_read_to_the_end_however_much_is_held(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "_AT_ONCE", 3)
    fill(redis_client, 6)
    redis_client.xreadgroup(ANNOTATORS, "anna", {KEY: ">"}, count=4)
    redis_client.xreadgroup(ANNOTATORS, "bert", {KEY: ">"})
    state = queue.queue_state(redis_client, "tickets", expected=6)
    assert [holder.annotator for holder in state.pending.values()] == ["anna"] * 4 + ["bert"] * 2
