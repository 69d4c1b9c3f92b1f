"""The whole core against a dictionary: whatever happens in whatever order, what was promised holds."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from shared import lanes
from shared.streams import SUBMISSIONS, receipts_key, tasks_key
from tests.faults.core import Core, core
from workers.app import SWEEP
from workers.hints import ROOM_TASKS

__all__ = ["core"]

_BATCH, _MAIL_CAP = 5, 3
_LISTENER_POINTS = (
    *("after-read.listener", "before-commit.submissions.take", "after-commit.submissions.take"),
    *("before-receipts.listener", "before-xack.listener", "after-xack.listener"),
)
_RELAY_POINTS = (
    "before-send.outbox",
    "after-send.outbox",
    "before-commit.outbox.publish",
    "after-commit.outbox.publish",
)
_PLACE = st.integers(0, 1_000)
_LABEL = st.sampled_from(["common", "rare"])


class Machine(RuleBasedStateMachine):
    """What people and faults do; the dictionaries say what must be so afterwards."""

    core: Core

    def __init__(self) -> None:
        super().__init__()
        self.core.project(
            selection={"batch_size": _BATCH}, caps={"sources": {"mail": _MAIL_CAP}}, near_duplicate_cosine=1.0
        )
        self.items: list[str] = []
        self.sent: dict[str, set[tuple[str, str]]] = {}
        """Submission id -> what was sent under it and must not be lost: one of these stands."""
        self.safe: dict[str, tuple[str, str]] = {}
        """Submission id -> what was stored under it when we last looked: it stands for ever."""
        self.hand: dict[int, dict[str, Any]] = {}
        """Assignment -> the task that an annotator holds."""
        self.tokens: dict[str, int] = {}

    @initialize()
    def a_first_batch_is_on_the_queue(self) -> None:
        self.items_come(20)
        self.all_goes_on()

    @rule(count=st.integers(1, 8))
    def items_come(self, count: int) -> None:
        self.items += self.core.add_items(count, first=len(self.items))

    @rule(places=st.lists(_PLACE, min_size=1, max_size=4), label=_LABEL)
    def answers_are_sent(self, places: list[int], label: str) -> None:
        for place in places:
            self._send(f"s{len(self.sent)}", self.items[place % len(self.items)], label)

    @rule(place=_PLACE, label=_LABEL)
    def an_answer_is_sent_again_perhaps_with_another_label(self, place: int, label: str) -> None:
        if not self.sent:
            return
        key = sorted(self.sent)[place % len(self.sent)]
        item_id, _ = sorted(self.sent[key])[0]
        self._send(key, item_id, label)
        self.core.send("nothing", "no-such-item", "rare")

    @rule()
    def tasks_are_taken(self) -> None:
        for task in self.core.take():
            held = [each for each in self.hand.values() if each["item_id"] == task["item_id"]]
            assert not held, f"{task['item_id']} is in hand under {held}, and was handed out again: {task}"
            self.hand[task["assignment"]] = task

    @rule(count=st.integers(1, 5), label=_LABEL)
    def tasks_are_answered(self, count: int, label: str) -> None:
        for assignment in sorted(self.hand)[:count]:
            task = self.hand.pop(assignment)
            key = f"t{assignment}.{task['lease']}"
            self._send(key, task["item_id"], label, assignment=assignment, lease=task["lease"])

    @rule(point=st.sampled_from(("nowhere", *_LISTENER_POINTS, *_RELAY_POINTS)), place=_PLACE, label=_LABEL)
    def the_listener_hears_an_answer_and_perhaps_dies(self, point: str, place: int, label: str) -> None:
        self.answers_are_sent([place], label)
        with self.core.killed_at(point):
            self.core.listen()

    @rule(fate=st.sampled_from(["taken", "repeated", "lost"]), place=_PLACE)
    def a_hint_is(self, fate: str, place: int) -> None:
        # No precondition: what is drawn must not depend on what the database did.
        if not self.core.hints:
            return
        if fate == "repeated":
            self.core.hints.append(self.core.hints[place % len(self.core.hints)])
        elif fate == "lost":
            self.core.hints.pop(place % len(self.core.hints))
        else:
            self.core.take_hint(place)

    @rule()
    def all_goes_on(self) -> None:
        self.core.listen()
        self.core.free_what_the_dead_hold()
        self.core.run(SWEEP)
        for _ in range(20):
            if self.core.hints:
                self.core.take_hint(0)

    @rule(
        room=st.sampled_from(lanes.ROOMS),
        side=st.sampled_from(["before", "after"]),
        step=st.sampled_from(["claim", "complete", "confirm", "check"]),
    )
    def a_worker_dies_at_a_commit(self, room: str, side: str, step: str) -> None:
        self._ask(room)
        with self.core.killed_at(f"{side}-commit.{room}.{step}"):
            self.core.run(ROOM_TASKS[room])

    @rule(point=st.sampled_from([*_RELAY_POINTS, "before-xadd.dispatch", "after-xadd.dispatch"]))
    def a_worker_dies_between_database_and_redis(self, point: str) -> None:
        with self.core.killed_at(point):
            self.all_goes_on()
        self.tasks_are_taken()

    @rule()
    def leases_run_out(self) -> None:
        self.core.let_leases_run_out()
        self.hand.clear()

    @rule()
    def redis_loses_everything(self) -> None:
        self._look()
        self.core.redis.flushall()
        self.core.hints.clear()
        self.hand.clear()
        self.sent = {key: {said} for key, said in self.safe.items()}

    @invariant()
    def what_is_stored_stays(self) -> None:
        self._look()

    @invariant()
    def tokens_rise_and_lanes_never_do_more_than_was_asked(self) -> None:
        rows = self.core.rows("SELECT room, token, requested, completed FROM lane WHERE project_id = :id")
        for room, token, requested, completed in rows:
            assert token >= self.tokens.get(room, 0)
            assert completed <= requested
            self.tokens[room] = token

    @invariant()
    def no_item_is_in_flight_twice_and_no_cap_is_exceeded(self) -> None:
        twice = """
            SELECT item FROM assignment WHERE project_id = :id AND state = 'open' GROUP BY item HAVING count(*) > 1"""
        assert self.core.rows(twice) == []
        over = """
            SELECT batch FROM assignment JOIN item ON item.id = item WHERE assignment.project_id = :id
            AND source = 'mail' GROUP BY batch HAVING count(*) > :most"""
        assert self.core.rows(over, most=_MAIL_CAP) == []
        numbers = [row[0] for row in self.core.rows("SELECT round FROM batch WHERE project_id = :id ORDER BY round")]
        assert numbers == list(range(1, len(numbers) + 1))

    def teardown(self) -> None:
        """When all that went wrong is over, all that was sent is there, and the queue is what the database says."""
        self.core.settle()
        self.core.let_leases_run_out()  # of tasks that were in hand when Redis lost them
        self.core.settle()
        self._look()
        assert set(self.safe) == set(self.sent)
        self._labels_are_the_last_answers()
        self._the_queue_is_what_is_open()
        assert self.core.rows("SELECT 1 FROM outboxevent WHERE project_id = :id AND published_at IS NULL") == []

    def _send(self, key: str, item_id: str, label: str, **more: Any) -> None:
        self.sent.setdefault(key, set()).add((item_id, label))
        self.core.send(key, item_id, label, **more)

    def _ask(self, room: str) -> None:
        with self.core.database.write() as session:
            lanes.request(session, self.core.project_id, room)

    def _look(self) -> None:
        query = "SELECT submission_id, item_id, label FROM submission JOIN item ON item.id = item"
        stored = {
            key: (item_id, label if label in ("common", "rare") else json.loads(label))
            for key, item_id, label in self.core.rows(f"{query} WHERE item.project_id = :id")
        }
        assert self.safe.items() <= stored.items()
        for key, said in stored.items():
            assert said in self.sent[key]
        for receipt in self._receipts():
            assert receipt["status"] == "refused" or receipt["submission_id"] in stored
        self.safe = stored

    def _receipts(self) -> list[dict[str, Any]]:
        entries: Any = self.core.redis.xrange(receipts_key("anna"))
        return [json.loads(fields[b"data"]) for _, fields in entries]

    def _labels_are_the_last_answers(self) -> None:
        last = """
            SELECT item_id, label FROM submission JOIN item ON item.id = item WHERE item.project_id = :id
            ORDER BY submission.id"""
        labels = "SELECT item_id, value FROM label JOIN item ON item.id = item WHERE item.project_id = :id"
        assert dict(self.core.rows(labels)) == dict(self.core.rows(last))

    def _the_queue_is_what_is_open(self) -> None:
        entries: Any = self.core.redis.xrange(tasks_key(self.core.name))
        queued = sorted((task["assignment"], task["lease"]) for task in (json.loads(f[b"data"]) for _, f in entries))
        is_open = "SELECT id, lease, leased_until FROM assignment WHERE project_id = :id AND state = 'open' ORDER BY id"
        expected = [(row[0], row[1]) for row in self.core.rows(is_open)]
        assert queued == expected
        assert self.core.redis.xlen(SUBMISSIONS) == 0


@pytest.mark.fault("any of these in any order, against a dictionary", "1 to 4, 8")
@pytest.mark.parametrize(
    ("examples", "steps"), [(2, 15), pytest.param(20, 40, marks=[pytest.mark.faults, pytest.mark.slow_faults])]
)
def test_whatever_happens_in_whatever_order_what_was_promised_holds(core: Core, examples: int, steps: int) -> None:
    machine = type("MachineOfThisCore", (Machine,), {"core": core})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
