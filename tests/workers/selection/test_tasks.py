"""Rounds beside embedding: neither waits for the whole of the other. And rounds of a pool in which nothing is left."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col, select

from shared import lanes
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.pool import Floats
from shared.project import BatchTrigger, ProjectConfig, Selection
from shared.repository.projects import all_projects, create_project, store_config
from shared.settings import Settings
from shared.streams import connect
from shared.tables import Assignment, AssignmentState, Batch, Item, Lane
from tests.workers.simulation.made_up import WordEncoder, make_dataset, make_rows
from workers.app import app
from workers.context import Context
from workers.embedding import tasks as embedding_tasks
from workers.hints import ROOM_TASKS
from workers.intake.answers import take_answers
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.selection import round as round_
from workers.selection import tasks
from workers.selection.round import Selected
from workers.selection.tasks import conduct_round

CONFIG = ProjectConfig(classes=("common", "rare"), selection=Selection(batch_size=50))


class FastAnnotators:
    """A pool that is being embedded, and people who would answer three batches before each segment."""

    def __init__(self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held = Context(settings, database, connect(settings))
        self.choices: list[tuple[int, int]] = []
        """Items that were embedded and items that were chosen, before each segment."""
        self._encoder = WordEncoder()
        monkeypatch.setattr(Context, "relay", lambda _: None)
        monkeypatch.setattr(embedding_tasks, "context", lambda: self.held)
        monkeypatch.setattr(embedding_tasks, "load_encoder", lambda *_, **__: self)
        with database.write() as session:
            assert create_project(session, "p", CONFIG)
            [self.project_id] = [project.id for project in all_projects(session)]

    key = WordEncoder.key

    def encode(self, texts: Sequence[str]) -> Floats:
        embedded = len(self._encoder.encoded)
        for _ in range(3):
            self.want()
        with self.held.database.read() as session:
            self.choices.append((embedded, sum(session.exec(select(Batch.chosen)).all())))
        return self._encoder.encode(texts)

    def want(self, *, asked: bool = False) -> bool:
        """Answer all that is queued and ask for a batch; whether there was one."""
        with self.held.database.write() as session:
            session.connection().execute(update(Assignment).values(state=AssignmentState.DONE))
            lanes.request(session, self.project_id, lanes.ROUND)
        return conduct_round(self.held, self.project_id, asked=asked)

    def embed(self, items: int) -> None:
        rows = [row.item for row in make_dataset(make_rows(items)).items]
        store_items(self.held.database, self.project_id, rows, rules=Rules(()), seed=0)
        embedding_tasks.embed_pending(project_id=self.project_id)

    def label(self, items: Sequence[str], annotator: str) -> None:
        messages = [
            SubmissionMessage(
                project="p", submission_id=f"{annotator}-{item}", item_id=item, annotator=annotator, label="common"
            )
            for item in items
        ]
        with self.held.database.write() as session:
            take_answers(session, project_id=self.project_id, messages=messages, origin="test")

    def rounds_wanted(self) -> bool:
        with self.held.database.read() as session:
            return lanes.has_work(session, self.project_id, lanes.ROUND)


@pytest.fixture
def annotators(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> FastAnnotators:
    return FastAnnotators(database, redis_settings, monkeypatch)


def test_while_most_of_the_pool_has_no_vector_one_of_five_is_chosen(annotators: FastAnnotators) -> None:
    annotators.embed(3_000)
    filling = [(embedded, chosen) for embedded, chosen in annotators.choices if 0 < embedded < 1_500]
    assert [embedded for embedded, _ in filling] == [256, 512, 768, 1_024, 1_280]
    assert [chosen for _, chosen in filling] == [50, 100, 150, 200, 250]


def test_a_round_that_waits_is_asked_for_again_and_comes_once_most_has_a_vector(annotators: FastAnnotators) -> None:
    wanted = []
    encode = annotators.encode

    def note(texts: Sequence[str]) -> Floats:
        vectors = encode(texts)
        wanted.append(annotators.rounds_wanted())
        return vectors

    annotators.encode = note  # type: ignore[method-assign] # looks on
    annotators.embed(1_000)
    # Before the first vector there is nothing to wait for: the first segment asks by itself.
    assert wanted[:2] == [False, True]
    assert annotators.want()
    assert annotators.want()


def test_a_person_who_asks_gets_a_batch_at_once(annotators: FastAnnotators) -> None:
    got = []
    encode = annotators.encode

    def ask(texts: Sequence[str]) -> Floats:
        vectors = encode(texts)
        if annotators.choices[-1] == (256, 50):
            got.append(annotators.want(asked=True))
        return vectors

    annotators.encode = ask  # type: ignore[method-assign] # asks in between
    annotators.embed(1_000)
    assert got == [True]


def test_labels_that_come_before_the_first_vector_make_no_empty_batch(annotators: FastAnnotators) -> None:
    rows = [row.item for row in make_dataset(make_rows(200)).items]
    store_items(annotators.held.database, annotators.project_id, rows, rules=Rules(()), seed=0)
    annotators.label([row.item_id for row in rows[:60]], "ann")
    assert not annotators.want()
    assert annotators.rounds_wanted(), "the labels are not forgotten"
    with annotators.held.database.read() as session:
        assert session.exec(select(Batch)).all() == []


def test_with_nothing_left_to_choose_a_round_waits_for_labels_that_are_worth_it(annotators: FastAnnotators) -> None:
    annotators.embed(120)
    with annotators.held.database.read() as session:
        items = session.exec(select(Item.item_id)).all()
    annotators.label(items, "ann")
    assert annotators.want(), "many new labels"
    assert not annotators.want(), "there is no new label"
    assert not annotators.rounds_wanted()
    annotators.label(items[:1], "bob")
    assert not annotators.want()
    assert annotators.rounds_wanted(), "the label is not forgotten"
    with annotators.held.database.write() as session:
        session.connection().execute(update(Batch).values(selected_at=Batch.selected_at - 60))
    assert annotators.want(), "it has waited for a minute"
    annotators.label(items[1:50], "bob")
    assert not annotators.want()
    annotators.label(items[50:51], "bob")
    assert annotators.want(), "as many labels as a batch has"


def test_a_hint_in_vain_answers_the_requests_without_a_claim_and_one_in_time_makes_a_batch(
    annotators: FastAnnotators, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, queued = _answered_a_few(annotators, monkeypatch)
    assert annotators.rounds_wanted()
    tasks.consider_round(project_id=annotators.project_id)
    assert not annotators.rounds_wanted()
    assert _lane_and_queue(annotators)[0].token == lane.token
    annotators.label(queued[5:], "ben")
    tasks.consider_round(project_id=annotators.project_id)
    after, fresh = _lane_and_queue(annotators)
    assert after.token == lane.token + 1
    assert len(fresh) == 50


def test_what_the_sweep_finds_waiting_is_claimed_even_in_vain(
    annotators: FastAnnotators, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, _ = _answered_a_few(annotators, monkeypatch)
    app.tasks[ROOM_TASKS[lanes.ROUND]](project_id=annotators.project_id)
    assert not annotators.rounds_wanted()
    assert _lane_and_queue(annotators)[0].token == lane.token + 1


def test_a_file_that_changes_while_a_hint_is_looked_at_is_not_overlooked(
    annotators: FastAnnotators, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answered_a_few(annotators, monkeypatch)
    asked_for, all_at_once = lanes.asked_for, BatchTrigger(queue_below=1.0)

    def change(session: Session, project_id: int, room: str) -> int | None:
        with annotators.held.database.write() as other:
            store_config(other, project_id, CONFIG.model_copy(update={"batch_trigger": all_at_once}))
            lanes.request(other, project_id, lanes.ROUND)
        return asked_for(session, project_id, room)

    monkeypatch.setattr(lanes, "asked_for", change)
    tasks.consider_round(project_id=annotators.project_id)
    assert len(_lane_and_queue(annotators)[1]) == 95


def _answered_a_few(annotators: FastAnnotators, monkeypatch: pytest.MonkeyPatch) -> tuple[Lane, Sequence[str]]:
    """Hints are for these annotators, five of whose batch are answered; the lane and the queue before that."""
    monkeypatch.setattr(tasks, "context", lambda: annotators.held)
    annotators.embed(400)
    lane, queued = _lane_and_queue(annotators)
    annotators.label(queued[:5], "ann")
    return lane, queued


def _lane_and_queue(annotators: FastAnnotators) -> tuple[Lane, Sequence[str]]:
    with annotators.held.database.read() as session:
        statement = select(Item.item_id).join(Assignment, col(Assignment.item) == col(Item.id))
        queued = session.exec(statement.where(col(Assignment.state) == AssignmentState.OPEN)).all()
        return session.get_one(Lane, (annotators.project_id, lanes.ROUND)), queued


def test_items_that_are_labeled_while_a_round_computes_are_not_queued(
    annotators: FastAnnotators, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotators.embed(200)
    labeled: list[str] = []

    def labels_come(*args: Any, **options: Any) -> Selected:
        selected = round_.select(*args, **options)
        labeled.extend(choice.item_id for choice in selected.choices[:20])
        annotators.label(labeled, "file")
        return selected

    monkeypatch.setattr(tasks, "select", labels_come)
    assert annotators.want()
    with annotators.held.database.read() as session:
        batch = session.exec(select(Batch).order_by(col(Batch.round).desc()).limit(1)).one()
        queued = select(Item.item_id).join(Assignment, col(Assignment.item) == col(Item.id))
        waiting = session.exec(queued.where(col(Assignment.batch) == batch.id)).all()
    assert (batch.chosen, len(waiting)) == (30, 30)
    assert not set(waiting) & set(labeled)
    assert batch.shortfalls == ["20 item(s) were labeled while the batch was chosen"]
