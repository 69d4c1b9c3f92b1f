"""Leases over HTTP and on the Redis stream are one: nothing is handed out twice, whichever way it is asked for."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import Session, col, select

from shared import lanes
from shared.database import Database, now
from shared.errors import DatabaseUnavailableError
from shared.repository import assignments as rows
from shared.settings import Settings
from shared.streams import ANNOTATORS, tasks_key
from shared.tables import Assignment, AssignmentState, Batch
from shared.tokens import Scope
from tests.workers.gateway.server import PROJECT, Api, answer, served, told
from tests.workers.intake.test_ingest import item, make_project, store, stored_items
from workers.dispatch import tasks as dispatch
from workers.gateway import leasing

REASON = {"channel": "boundary", "score": 1.0, "cluster": None, "predicted": None, "probability": None, "rules": []}


class Queue:
    """The API with a batch of twenty items on the queue, and the sweep at a test's word."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.token = api.token(Scope.ANNOTATE)
        store(api.held.database, api.project_id, *(item(f"t-{number}", f"text {number}") for number in range(18)))
        with api.held.database.write() as session:
            batch = Batch(
                project_id=api.project_id,
                round=1,
                seed=0,
                submissions_seen=0,
                wanted=20,
                chosen=20,
                shortfalls=[],
                audit={},
                train_s=0.0,
                select_s=0.0,
                selected_at=now(session),
            )
            session.add(batch)
            session.flush()
            for rank, row in enumerate(stored_items(api.held.database, api.project_id).values(), 1):
                reason = {**REASON, "rank": rank, "inclusion": None, "model": None, "encoder": "e", "seed": 0}
                session.add(
                    Assignment(project_id=api.project_id, batch=batch.id, item=row.id, rank=rank, reason=reason)
                )
        self.sweep()

    def ask_twice(self) -> None:
        """Let each item be one that two annotators are asked about."""
        with self.api.held.database.write() as session:
            for first in session.exec(select(Assignment)).all():
                first.reason = {**first.reason, "overlap": 2}
                second = first.model_dump(exclude={"id", "lease", "stream_id"}) | {"slot": 1}
                first.stream_id = None
                session.add_all([first, Assignment.model_validate(second)])
        self.api.held.redis.delete(tasks_key(PROJECT))
        self.sweep()

    def ask_once_more(self) -> None:
        """Let a third annotator be asked about each item."""
        with self.api.held.database.write() as session:
            for first in session.exec(select(Assignment).where(col(Assignment.slot) == 0)).all():
                third = first.model_dump(exclude={"id", "lease", "stream_id"}) | {"slot": 2}
                session.add(Assignment.model_validate(third))
        self.sweep()

    def answer(self, tasks: list[dict[str, Any]], annotator: str) -> None:
        """Answer tasks, each under its lease."""
        for task in tasks:
            lease = {"assignment": task["assignment"], "lease": task["lease"]}
            key = f"{annotator}-{task['assignment']}"
            given = answer(submission_id=key, item_id=task["item_id"], annotator=annotator, label="common", **lease)
            assert self.api.ask("POST", "submissions", given, token=self.token).json()["status"] == "accepted"

    def sweep(self) -> None:
        """What the sweep does every few seconds."""
        with self.api.held.database.write() as session:
            lanes.request(session, self.api.project_id, lanes.DISPATCH)
        dispatch.publish_assignments(project_id=self.api.project_id)

    def take(self, annotator: str, most: int = 1) -> list[dict[str, Any]]:
        """Tasks taken over HTTP."""
        response = self.api.ask("POST", "leases", {"annotator": annotator, "most": most}, token=self.token)
        assert response.status_code == 200, response.text
        tasks: list[dict[str, Any]] = response.json()["tasks"]
        return tasks

    def read(self, annotator: str, most: int = 1) -> list[dict[str, Any]]:
        """Tasks taken on the stream, as an annotation tool does."""
        found: Any = self.api.held.redis.xreadgroup(ANNOTATORS, annotator, {tasks_key(PROJECT): ">"}, count=most)
        return [json.loads(fields[b"data"]) for _, entries in found for _, fields in entries]

    def hold(self, what: str, task: dict[str, Any], annotator: str) -> Any:
        """Renew a lease, or give it back."""
        body = {"annotator": annotator, "lease": task["lease"]}
        return self.api.ask("POST", f"leases/{task['assignment']}/{what}", body, token=self.token)

    def assignment(self, number: int) -> Assignment:
        """As the database has it."""
        with self.api.held.database.read() as session:
            return session.get_one(Assignment, number)


@pytest.fixture
def queue(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    with served(database, redis_settings) as api:
        monkeypatch.setattr(dispatch, "context", lambda: api.held)
        yield Queue(api)


def test_tasks_taken_over_http_and_on_the_stream_are_never_the_same(queue: Queue) -> None:
    first = queue.take("anna", 5) + queue.read("bert", 5)
    with ThreadPoolExecutor(4) as threads:
        rest = list(threads.map(lambda way: way("cleo", 3), [queue.take, queue.read] * 2))
    taken = [task["assignment"] for task in first + [task for tasks in rest for task in tasks]]
    assert len(taken) == len(set(taken)) == 20
    assert [task["reason"]["rank"] for task in first] == list(range(1, 11))
    assert queue.take("dora") == queue.read("dora") == []
    queue.sweep()
    assert queue.assignment(first[0]["assignment"]).annotator == "anna"


def test_an_answer_under_its_lease_closes_the_task_and_takes_it_off_the_queue(queue: Queue) -> None:
    [task] = queue.take("anna")
    given = answer(item_id=task["item_id"], label="common", assignment=task["assignment"], lease=task["lease"])
    receipt = queue.api.ask("POST", "submissions", given, token=queue.token).json()
    assert receipt == {"submission_id": "s-1", "status": "accepted", "late": False, "unasked": False, "reason": None}
    assert queue.assignment(task["assignment"]).state == AssignmentState.DONE
    assert told(queue.hold("renew", task, "anna")) == (409, "lease")


def test_a_task_that_is_given_back_goes_to_somebody_else_under_a_higher_lease(queue: Queue) -> None:
    queue.take("bert", 19)
    [task] = queue.take("anna")
    assert queue.hold("return", task, "anna").json() == {"assignment": task["assignment"], "lease_s": 0.0}
    queue.sweep()
    [again] = queue.read("cleo")
    assert (again["assignment"], again["lease"]) == (task["assignment"], task["lease"] + 1)
    assert told(queue.hold("renew", task, "anna")) == told(queue.hold("return", task, "anna")) == (409, "lease")


def test_a_renewed_lease_lasts_and_only_its_holder_can_renew_it(queue: Queue) -> None:
    [task] = queue.take("anna")
    entry = queue.assignment(task["assignment"]).stream_id
    assert entry is not None
    queue.api.held.redis.xclaim(tasks_key(PROJECT), ANNOTATORS, "anna", 0, [entry], idle=599_000, justid=True)
    assert told(queue.hold("renew", task, "bert")) == (409, "lease")
    assert queue.hold("renew", task, "anna").json() == {"assignment": task["assignment"], "lease_s": 600.0}
    pending: Any = queue.api.held.redis.xpending_range(tasks_key(PROJECT), ANNOTATORS, "-", "+", 10)
    assert [entry["consumer"] for entry in pending] == [b"anna"]
    assert pending[0]["time_since_delivered"] < 100_000
    assert told(queue.hold("renew", {**task, "lease": task["lease"] + 1}, "anna")) == (409, "lease")


def test_before_the_first_batch_and_after_redis_lost_its_data_there_is_nothing_to_take(queue: Queue) -> None:
    [task] = queue.take("anna")
    queue.api.held.redis.flushall()
    assert queue.take("bert") == []
    assert told(queue.hold("renew", task, "anna")) == (409, "lease")
    queue.sweep()
    assert len(queue.take("bert", 100)) >= 19


def test_a_token_of_another_project_renews_nothing(queue: Queue) -> None:
    [task] = queue.take("anna")
    body = {"annotator": "anna", "lease": task["lease"]}
    make_project(queue.api.held.database, "others")
    path = f"/v1/projects/others/leases/{task['assignment']}/renew"
    assert told(queue.api.ask("POST", path, body, token=queue.token)) == (409, "lease")


def test_what_is_no_lease_is_refused_with_its_field(queue: Queue) -> None:
    for path, body, where in [
        ("leases", {}, "annotator"),
        ("leases", {"annotator": "a b"}, "annotator"),
        ("leases", {"annotator": "anna", "most": 101}, "most"),
        ("leases", {"annotator": "anna", "more": 1}, "more"),
        ("leases/0/renew", {"annotator": "anna", "lease": 1}, "assignment"),
        (f"leases/{2**63}/renew", {"annotator": "anna", "lease": 1}, "assignment"),
        ("leases/1/renew", {"annotator": "anna", "lease": 2**63}, "lease"),
        ("leases/1/return", {"annotator": "anna", "lease": "first"}, "lease"),
    ]:
        assert told(queue.api.ask("POST", path, body, token=queue.token)) == (422, where)
    with queue.api.held.database.read() as session:
        states = set(session.exec(select(Assignment.state).where(col(Assignment.project_id) == queue.api.project_id)))
    assert states == {AssignmentState.OPEN}


def test_the_tasks_of_an_overlap_item_go_to_different_annotators_as_soon_as_they_ask(queue: Queue) -> None:
    queue.ask_twice()
    assert queue.read("bert")
    first = queue.take("anna", 30)
    assert len({task["item_id"] for task in first}) == len(first)
    queue.answer(first[:10], "anna")
    assert queue.take("anna", 30) == [], "she holds or answered the other task of each"
    second = queue.take("bert", 40)
    assert {task["assignment"] for task in second}.isdisjoint(task["assignment"] for task in first)
    assert len({task["item_id"] for task in second}) == len(second) >= 19


def test_who_polls_all_the_time_keeps_no_task_from_others(queue: Queue) -> None:
    queue.ask_twice()
    queue.read("bert")
    queue.answer(queue.take("anna", 30), "anna")
    for _ in range(5):
        assert queue.take("anna", 30) == []
        queue.sweep()
    assert len(queue.take("bert", 30)) == 19


def test_one_annotator_alone_gets_all_tasks(queue: Queue) -> None:
    queue.ask_twice()
    assert len(queue.take("anna", 50)) == 40


def test_whom_nobody_has_seen_for_long_no_task_waits_for(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.ask_twice()
    queue.read("bert")
    assert len(queue.take("anna", 50)) == 20
    monkeypatch.setattr(leasing, "_COMPANY_MS", -1)
    assert len(queue.take("anna", 50)) == 19


def test_a_task_that_all_who_are_there_had_goes_to_whoever_asks(queue: Queue) -> None:
    queue.ask_twice()
    queue.ask_once_more()
    queue.read("bert")
    first = queue.take("anna", 60)
    queue.answer(first, "anna")
    assert len(first) < 30
    assert len(queue.take("bert", 60)) == 59 - len(first)


def test_tasks_that_were_read_before_a_fault_are_held_by_nobody(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.ask_twice()
    queue.read("cleo")
    with monkeypatch.context() as patch:
        patch.setattr(leasing, "siblings", _away)
        asked = {"annotator": "anna", "most": 30}
        assert queue.api.ask("POST", "leases", asked, token=queue.token).status_code == 503
    queue.sweep()
    assert len(queue.take("bert", 30)) == 20


def _away(*_: object, **__: object) -> None:
    raise DatabaseUnavailableError("by the test")


def test_what_is_no_task_on_the_stream_keeps_nobody_from_those_behind_it(queue: Queue) -> None:
    first = queue.take("anna", 19)
    queue.api.held.redis.xadd(tasks_key(PROJECT), {"data": "no task"})
    queue.api.held.redis.xadd(tasks_key(PROJECT), {"junk": ""})
    last = queue.take("bert", 5)
    assert len({task["assignment"] for task in first + last}) == 20
    assert queue.api.held.redis.xlen(tasks_key(PROJECT)) == 20


def test_a_task_that_was_queued_anew_while_it_was_passed_on_stands_there_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(session: Session, moved: dict[int, tuple[str, str]]) -> None:
        rows.move_entries(session, {assignment: ("0-1", new) for assignment, (_, new) in moved.items()})

    queue.ask_twice()
    queue.read("bert")
    with monkeypatch.context() as patch:
        patch.setattr(leasing, "move_entries", too_late)
        first = queue.take("anna", 30)
    queue.api.held.redis.xadd(tasks_key(PROJECT), {"data": "no task"})  # so that the sweep lists what is there
    queue.sweep()
    left = [task["assignment"] for task in queue.read("cleo", 100)]
    assert len(left) == len(set(left)) == 39 - len(first)
