"""Answers, a round and the dispatch want the same rows at the same time: each waits, and none is turned away."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import col, update

from shared import lanes
from shared.database import Database
from shared.settings import Settings
from shared.tables import Assignment, AssignmentState
from tests.live import wait_for
from tests.workers.gateway.server import PROJECT, answer, served
from tests.workers.gateway.test_leases import Queue
from workers.dispatch import tasks as dispatch
from workers.gateway.answers import read_answer, store_answers


@pytest.fixture
def queue(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with served(database, redis_settings) as api:
        monkeypatch.setattr(dispatch, "context", lambda: api.held)
        yield Queue(api)


def test_answers_that_come_while_a_round_waits_for_the_dispatch_are_stored(queue: Queue) -> None:
    database, project = queue.api.held.database, queue.api.project_id
    if database.url.startswith("sqlite"):
        return  # it has one writer at a time
    [task] = queue.take("anna")
    given = answer(item_id=task["item_id"], label="common", assignment=task["assignment"])

    def hold_a_round() -> None:
        with database.write() as session:
            lanes.request(session, project, lanes.ROUND)
            round_holds.set()
            lanes.request(session, project, lanes.DISPATCH)  # waits for the dispatch

    def send() -> None:
        receipts.extend(store_answers(database, project, PROJECT, [read_answer(given, project=PROJECT)]).receipts)

    round_holds = threading.Event()
    receipts: list[object] = []
    threads = [threading.Thread(target=hold_a_round), threading.Thread(target=send)]
    with database.write() as session:
        lanes.request(session, project, lanes.DISPATCH)
        threads[0].start()
        assert round_holds.wait(10)
        threads[1].start()
        wait_for(lambda: waiting(database) == 2, what="both to wait")
        session.connection().execute(
            update(Assignment).where(col(Assignment.id) == task["assignment"]).values(annotator="anna")
        )
    for thread in threads:
        thread.join(30)
    assert len(receipts) == 1
    assert queue.assignment(task["assignment"]).state == AssignmentState.DONE
    assert deadlocks(database) == 0


def waiting(database: Database) -> int:
    return _ask(database, "SELECT count(*) FROM pg_locks WHERE NOT granted")


def deadlocks(database: Database) -> int:
    return _ask(database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


def _ask(database: Database, sql: str) -> int:
    with database.read() as session:
        return int(session.connection().exec_driver_sql(sql).scalar_one())


def test_answers_are_stored_while_many_wait_for_reports_that_take_long(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(*_: object) -> dict[str, object]:
        has_begun.set()
        assert may_end.wait(60)
        return {}

    monkeypatch.setattr("workers.gateway.reading.read_status", slow)
    given = answer(label="common")
    with ThreadPoolExecutor(51) as senders:
        reports = [senders.submit(queue.api.ask, "GET", "status", token=queue.token) for _ in range(50)]
        try:
            assert has_begun.wait(10)
            time.sleep(1.1)  # until the tokens in memory are too old
            sent = senders.submit(queue.api.ask, "POST", "submissions", given, token=queue.token)
            assert sent.result(timeout=15).json()["status"] == "accepted"
        finally:
            may_end.set()
    assert {report.result().status_code for report in reports} == {200}
