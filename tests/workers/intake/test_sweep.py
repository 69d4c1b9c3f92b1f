"""Which queues the sweep asks dispatch to look at: those on which something happened, on real Redis."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, select, update

from shared import lanes
from shared.database import Database
from shared.repository.rounds import store_assignments
from shared.settings import Settings
from shared.streams import ANNOTATORS, CELERY_PREFIX, connect, tasks_key
from shared.tables import Assignment, Batch, Item
from tests.workers.reporting.example import NAME, add_batch, add_items, make_project, reason
from workers.context import Context
from workers.dispatch import tasks as dispatch
from workers.hints import queue_of
from workers.intake import tasks as intake

KEY = tasks_key(NAME)


class Queue:
    """Three tasks on the queue of one project, and the sweep at a test's word."""

    def __init__(self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = Context(settings, database, connect(settings))
        monkeypatch.setattr(Context, "relay", lambda _: None)
        for tasks in (dispatch, intake):
            monkeypatch.setattr(tasks, "context", lambda: self.held)
        self.woken: list[tuple[int, str]] = []
        monkeypatch.setattr(intake, "wake", self.woken.extend)
        example = make_project(database)
        self.project_id = example.id
        add_items(database, example.id, [(f"text {number}", "mail") for number in range(3)])
        number = add_batch(database, example.id, [])
        with database.write() as session:
            items = session.exec(select(Item.id).order_by(Item.item_id)).all()
            chosen = [(item, reason(rank)) for rank, item in enumerate(items, 1)]
            store_assignments(session, session.get_one(Batch, number), chosen)
        self.dispatch()

    def dispatch(self) -> None:
        with self.held.database.write() as session:
            lanes.request(session, self.project_id, lanes.DISPATCH)
        dispatch.publish_assignments(project_id=self.project_id)

    def is_looked_at(self) -> bool:
        """Whether a sweep wakes dispatch, which then does what there is to do."""
        self.woken.clear()
        intake.sweep()
        if (self.project_id, lanes.DISPATCH) not in self.woken:
            return False
        dispatch.publish_assignments(project_id=self.project_id)
        return True


@pytest.fixture
def queue(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Queue:
    return Queue(database, redis_settings, monkeypatch)


def read(redis: Any) -> None:
    redis.xreadgroup(ANNOTATORS, "anna", {KEY: ">"}, count=1)


def read_and_acknowledge(redis: Any) -> None:
    [[_, [[entry, _]]]] = redis.xreadgroup(ANNOTATORS, "anna", {KEY: ">"}, count=1)
    redis.xack(KEY, ANNOTATORS, entry)


def take_one_off(redis: Any) -> None:
    redis.xdel(KEY, redis.xrange(KEY)[1][0])


def put_one_on(redis: Any) -> None:
    redis.xadd(KEY, {"id": "9.9"})


def lose_the_group(redis: Any) -> None:
    redis.xgroup_destroy(KEY, ANNOTATORS)


def lose_all(redis: Any) -> None:
    redis.flushall()


LOSSES = [take_one_off, put_one_on, lose_the_group, lose_all]


def test_a_queue_on_which_nothing_happens_is_left_alone(queue: Queue) -> None:
    assert not any(queue.is_looked_at() for _ in range(3))


@pytest.mark.parametrize(
    "happening",
    [read, read_and_acknowledge, take_one_off, put_one_on, lose_the_group, lose_all],
    ids=lambda f: f.__name__,
)
def test_a_queue_on_which_something_happened_is_looked_at(queue: Queue, happening: Callable[[Any], None]) -> None:
    happening(queue.held.redis)
    assert queue.is_looked_at()


@pytest.mark.parametrize("happening", LOSSES)
def test_what_was_put_right_is_left_alone_again(queue: Queue, happening: Callable[[Any], None]) -> None:
    happening(queue.held.redis)
    queue.is_looked_at()
    assert queue.held.redis.xlen(KEY) == 3
    assert not queue.is_looked_at()


def test_what_somebody_holds_is_looked_at_until_it_is_given_back(queue: Queue) -> None:
    read(queue.held.redis)
    assert all(queue.is_looked_at() for _ in range(3))


def test_while_redis_is_away_nothing_is_taken_for_untouched(
    queue: Queue, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = connect(redis_settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}))
    monkeypatch.setattr(intake, "context", lambda: Context(redis_settings, queue.held.database, away))
    intake.sweep()
    assert (queue.project_id, lanes.DISPATCH) in queue.woken


def test_what_was_queued_and_not_written_down_is_adopted_though_the_queue_is_as_long_as_expected(queue: Queue) -> None:
    entries: Any = queue.held.redis.xrange(KEY)
    with queue.held.database.write() as session:  # as a worker that died left it
        session.exec(
            update(Assignment).where(col(Assignment.stream_id) == entries[0][0].decode()).values(stream_id=None)
        )
    queue.held.redis.xdel(KEY, entries[1][0])  # as an answer does that comes between the two looks
    queue.dispatch()
    with queue.held.database.read() as session:
        adopted = session.exec(select(Assignment).order_by(col(Assignment.id))).first()
    assert adopted is not None
    assert (adopted.lease, adopted.stream_id) == (1, entries[0][0].decode())
    assert queue.held.redis.xlen(KEY) == 3


def test_lanes_whose_queue_no_worker_takes_from_get_no_hints_without_end(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_ENOUGH_HINTS", 2)
    with queue.held.database.write() as session:
        for room in (lanes.DRIFT, lanes.LABELS, lanes.EMBED):
            lanes.request(session, queue.project_id, room)
    waiting = CELERY_PREFIX + queue_of(lanes.DRIFT)
    rooms = []
    for _ in range(3):
        queue.woken.clear()
        intake.sweep()
        rooms.append({room for _, room in queue.woken})
        queue.held.redis.rpush(waiting, "a hint")
    assert rooms == [{lanes.DRIFT, lanes.LABELS, lanes.EMBED}] * 2 + [{lanes.EMBED}]
    queue.held.redis.lpop(waiting, 2)
    queue.woken.clear()
    intake.sweep()
    assert len(queue.woken) == 3
