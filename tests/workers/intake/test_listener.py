"""The listener on real streams and both databases: whatever arrives, nothing is lost and nothing stops it."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
import redis
from sqlmodel import Session, col, select

from shared import database as databases
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.settings import Settings
from shared.streams import DEAD, INTAKE, SUBMISSIONS, connect, ensure_group, receipts_key
from shared.tables import DeadLetter, Label, Submission
from tests.live import wait_for
from tests.servers import running_redis, short_folder
from tests.workers.intake.test_ingest import item, make_project, store
from workers.context import Context
from workers.dispatch import queue
from workers.intake import listener
from workers.intake.answers import take_answers
from workers.intake.submissions import Verdict

TYPE: dict[Any, Any] = {"type": "quietcorner.submission.v1"}


class Killed(BaseException):
    """What ends a listener at once, as the kernel does."""


class Desk:
    """A project with two items, and an annotator who sends to its stream."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        # The shortest lease, so that what a fault left behind is taken up soon.
        self.held = Context(settings.model_copy(update={"lane_lease_s": 1.0}), database, connect(settings))
        project_id = make_project(database)
        store(database, project_id, item("one", "the first"), item("two", "the second"))

    def send(self, **changes: Any) -> None:
        self.send_raw(json.dumps({**_answer(), **changes}))

    def send_raw(self, data: str | bytes) -> None:
        self.held.redis.xadd(SUBMISSIONS, {**TYPE, "data": data})

    @contextmanager
    def listening(self) -> Iterator[None]:
        """A listener for the length of the block."""
        stop = threading.Event()
        thread = threading.Thread(target=listener.serve, args=(self.held, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()

    def take_all(self) -> None:
        """Listen until the stream is empty."""
        with self.listening():
            wait_for(lambda: self.held.redis.xlen(SUBMISSIONS) == 0, what="an empty stream")

    def take_all_with_kills(self) -> None:
        """Listen until the stream is empty, and begin anew each time that the listener is killed."""
        deadline = time.monotonic() + 60
        while self.held.redis.xlen(SUBMISSIONS):
            assert time.monotonic() < deadline, self.held.redis.xpending(SUBMISSIONS, INTAKE)
            stop = threading.Event()
            timer = threading.Timer(1.5, stop.set)
            timer.start()
            with suppress(Killed):
                listener.serve(self.held, stop)
            timer.cancel()

    def submissions(self) -> list[Submission]:
        with self.database.read() as session:
            return list(session.exec(select(Submission).order_by(col(Submission.id))))

    def dead(self) -> list[DeadLetter]:
        with self.database.read() as session:
            return list(session.exec(select(DeadLetter).order_by(col(DeadLetter.id))))

    def receipts(self, annotator: str = "anna") -> list[dict[str, Any]]:
        entries: Any = self.held.redis.xrange(receipts_key(annotator))
        return [json.loads(fields[b"data"]) for _, fields in entries]


def _answer() -> dict[str, Any]:
    return {"project": "tickets", "submission_id": "s-1", "item_id": "one", "annotator": "anna", "label": "fraud"}


BAD: list[tuple[str | bytes, str]] = [
    (b"", "Invalid JSON"),
    (b"{broken", "Invalid JSON"),
    (b"[" * 100_000, "Invalid JSON"),
    (b'{"project": "\xff"}', "Invalid JSON"),
    (b'{"project": "\xed\xa0\x80"}', "Invalid JSON"),
    (b"[]", "data"),
    (json.dumps({**_answer(), "label": "x" * 5_000_000}), "1,000,000 at most"),
    (json.dumps({**_answer(), "project": "tick\0ets"}), "project"),
    (json.dumps({**_answer(), "item_id": "one\0"}), "item_id"),
    (json.dumps({**_answer(), "label": "fr\0aud"}), "unknown class"),
    (json.dumps({**_answer(), "label": "\ud800"}), "Invalid JSON"),
    (json.dumps({**_answer(), "label": "frud"}), "unknown class 'frud'"),
    (json.dumps({**_answer(), "label": [[[[]]]]}), "label"),
    (json.dumps({**_answer(), "item_id": "three"}), "no item 'three'"),
    (json.dumps({**_answer(), "project": "nowhere"}), "no project 'nowhere'"),
    (json.dumps({**_answer(), "assignment": 10**30}), "assignment"),
    (json.dumps({**_answer(), "more": 1}), "more"),
]
"""What may arrive, and words of the reason with which it is refused."""


@pytest.fixture
def desk(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(Context, "relay", lambda _: None)
    return Desk(database, redis_settings)


def test_what_cannot_be_taken_is_kept_with_its_reason_and_the_rest_goes_in(desk: Desk) -> None:
    desk.send(submission_id="first")
    for data, _ in BAD:
        desk.send_raw(data)
    desk.send(submission_id="last", label="common")
    desk.take_all()

    # Each project's answers are taken together, after those that can't be read.
    letters = {letter.reason: letter for letter in desk.dead()}
    assert len(desk.dead()) == len(BAD)
    for _, reason in BAD:
        assert any(reason in each for each in letters)
    assert all(letter.origin == "stream" and len(letter.payload) <= 20_000 for letter in letters.values())
    copies: Any = desk.held.redis.xrange(DEAD)
    assert sorted(fields[b"reason"].decode() for _, fields in copies) == sorted(letter.reason for letter in desk.dead())
    assert [submission.submission_id for submission in desk.submissions()] == ["first", "last"]
    assert [receipt["status"] for receipt in desk.receipts()].count("accepted") == 2


def test_entries_without_type_or_data_are_kept_as_well(desk: Desk) -> None:
    desk.held.redis.xadd(SUBMISSIONS, {"data": json.dumps(_answer())})
    desk.held.redis.xadd(SUBMISSIONS, {**TYPE, "payload": "?"})
    desk.take_all()
    assert [letter.reason.split()[:2] for letter in desk.dead()] == [["field", "type"], ["field", "data"]]
    assert desk.submissions() == []


def test_an_answer_sent_twice_counts_once_and_the_same_id_for_another_label_is_refused(desk: Desk) -> None:
    desk.send()
    desk.send()
    desk.take_all()
    desk.send()
    desk.send(label="common")
    desk.take_all()

    assert [receipt["status"] for receipt in desk.receipts()] == ["accepted", "duplicate", "duplicate", "refused"]
    assert "used before for another answer" in desk.receipts()[-1]["reason"]
    assert [submission.label for submission in desk.submissions()] == ["fraud"]
    with desk.database.read() as session:
        assert [label.value for label in session.exec(select(Label))] == ["fraud"]
    assert len(desk.dead()) == 1


def test_a_label_for_an_item_that_was_never_queued_is_accepted_and_marked_so(desk: Desk) -> None:
    desk.send()
    desk.take_all()
    (receipt,) = desk.receipts()
    assert (receipt["status"], receipt["unasked"]) == ("accepted", True)
    assert [submission.unasked for submission in desk.submissions()] == [True]


def test_workers_are_told_of_many_answers_together_and_of_the_last_one_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(Context, "relay", lambda _: told.append(len(desk.submissions())))
    with desk.listening():
        for number in range(30):
            desk.send(submission_id=f"s-{number}", annotator=f"anna-{number}")
            time.sleep(0.02)
        wait_for(lambda: bool(told) and told[-1] == 30, what="a hint of the last answer")
    assert 2 <= len(told) < 15


def test_of_answers_that_come_at_once_after_a_silence_workers_are_told_when_all_are_stored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(Context, "relay", lambda _: told.append(len(desk.submissions())))
    monkeypatch.setattr(listener, "GATHERING_S", 0.5)
    monkeypatch.setattr(listener, "TOGETHER_S", 5.0)
    with desk.listening():
        for number in range(20):
            desk.send(submission_id=f"s-{number}", annotator=f"anna-{number}")
        wait_for(lambda: bool(told), what="a hint")
        desk.send(submission_id="last")
        wait_for(lambda: len(desk.submissions()) == 21, what="the last answer")
    assert told == [20, 21]  # the second at the end: five seconds after the first it would have come by itself


def test_with_redis_down_at_its_start_it_waits_and_then_takes_what_comes(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "relay", lambda _: None)
    with short_folder() as folder:
        desk = Desk(database, settings.model_copy(update={"data_dir": folder}))
        with desk.listening():
            with pytest.raises(redis.RedisError):
                desk.send()
            with running_redis(desk.held.settings):
                desk.send()
                wait_for(lambda: len(desk.submissions()) == 1, what="the answer")


def test_a_database_that_stays_locked_delays_an_answer_however_long_and_loses_none(
    settings: Settings, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "relay", lambda _: None)
    monkeypatch.setattr(databases, "_BUSY_TIMEOUT_MS", 50)
    database = databases.open_database(settings)
    desk = Desk(database, redis_settings)
    other = Database(settings.sql_url)
    with desk.listening():
        with other.write() as session:
            session.connection()  # takes SQLite's only write lock
            desk.send()
            # Longer than it takes to hand an entry out so often that it is taken for one that kills its reader.
            with pytest.raises(AssertionError):
                wait_for(lambda: desk.held.redis.xlen(SUBMISSIONS) == 0, what="nothing", limit_s=8.0)
            assert desk.receipts() == []
        wait_for(lambda: desk.held.redis.xlen(SUBMISSIONS) == 0, what="an empty stream")
    assert [receipt["status"] for receipt in desk.receipts()] == ["accepted"]
    assert desk.dead() == []


@pytest.fixture
def impatient(desk: Desk) -> Desk:
    """A desk at which what a killed listener left is taken up at once."""
    desk.held = replace(desk.held, settings=desk.held.settings.model_copy(update={"lane_lease_s": 0.2}))
    return desk


def test_an_answer_that_kills_its_reader_takes_none_with_it_that_were_read_beside_it(
    impatient: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(session: Session, *, messages: Sequence[SubmissionMessage], **named: Any) -> list[Verdict]:
        if any(message.submission_id == "poison" for message in messages):
            raise Killed
        return take_answers(session, messages=messages, **named)

    monkeypatch.setattr(listener, "take_answers", take)
    good = [*(f"before-{number}" for number in range(5)), *(f"behind-{number}" for number in range(15))]
    for submission_id in (*good[:5], "poison", *good[5:]):
        impatient.send(submission_id=submission_id)
    impatient.take_all_with_kills()

    assert sorted(submission.submission_id for submission in impatient.submissions()) == sorted(good)
    assert sorted(receipt["submission_id"] for receipt in impatient.receipts()) == sorted(good)
    assert [json.loads(letter.payload)["submission_id"] for letter in impatient.dead()] == ["poison"]
    assert impatient.dead()[0].reason == "read 5 times and never finished"


def test_a_stored_answer_whose_receipts_kill_the_listener_is_never_refused(
    impatient: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(queue, "send_receipts", send)
    impatient.send()
    impatient.take_all_with_kills()
    assert [submission.submission_id for submission in impatient.submissions()] == ["s-1"]
    assert impatient.dead() == []


def test_receipts_that_redis_refuses_hold_up_neither_those_of_others_nor_the_stream(desk: Desk) -> None:
    desk.held.redis.set(receipts_key("anna"), "what a tool put there")
    for number in range(3):
        desk.send(submission_id=f"anna-{number}")
        desk.send(submission_id=f"bert-{number}", annotator="bert", item_id="two")
    desk.send(submission_id="bad", label="frud")
    desk.take_all()
    assert len(desk.submissions()) == 6
    assert [receipt["status"] for receipt in desk.receipts("bert")] == ["accepted"] * 3
    assert ["frud" in letter.reason for letter in desk.dead()] == [True]


def test_with_no_room_in_redis_answers_are_stored_and_taken_off_the_stream(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "relay", lambda _: None)
    with short_folder() as folder, running_redis(settings.model_copy(update={"data_dir": folder})):
        desk = Desk(database, settings.model_copy(update={"data_dir": folder}))
        client = desk.held.redis
        with desk.listening():
            wait_for(lambda: client.exists(SUBMISSIONS), what="a listener")
            with client.pipeline(transaction=True) as pipe:
                for answer in (_answer(), {**_answer(), "submission_id": "bad", "label": "frud"}):
                    pipe.xadd(SUBMISSIONS, {**TYPE, "data": json.dumps(answer)})
                pipe.config_set("maxmemory", 1)
                pipe.execute()
            wait_for(lambda: client.xlen(SUBMISSIONS) == 0, what="an empty stream")
        assert [submission.submission_id for submission in desk.submissions()] == ["s-1"]
        assert len(desk.dead()) == 1
        client.config_set("maxmemory", 0)
        desk.send()
        desk.take_all()
        assert [receipt["status"] for receipt in desk.receipts()] == ["duplicate"]


def test_what_was_read_and_then_trimmed_off_the_stream_is_forgotten_and_the_rest_goes_in(desk: Desk) -> None:
    client = desk.held.redis
    ensure_group(client, SUBMISSIONS, INTAKE)
    for submission_id in ("trimmed", "left"):
        desk.send(submission_id=submission_id)
    client.xreadgroup(INTAKE, "a dead listener", {SUBMISSIONS: ">"})
    client.xtrim(SUBMISSIONS, maxlen=1, approximate=False)
    time.sleep(desk.held.settings.lane_lease_s)
    desk.take_all()
    assert [submission.submission_id for submission in desk.submissions()] == ["left"]
    pending: Any = client.xpending(SUBMISSIONS, INTAKE)
    assert pending["pending"] == 0
