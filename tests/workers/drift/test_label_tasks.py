"""From answers to alarms: the watch over labels on a real database, as its task runs it."""

from typing import Any

import pytest
from sqlmodel import col, select

from shared import lanes
from shared.arrays import load_arrays
from shared.contracts import SubmissionMessage
from shared.database import Database
from shared.drift_tables import Campaign, DriftAlarm, FreshLabels
from shared.events import Event
from shared.project import ProjectConfig
from shared.repository.fresh_labels import all_looks, items_seen
from shared.repository.projects import all_projects, create_project
from shared.settings import Settings
from shared.streams import connect
from shared.tables import Assignment, AssignmentState, Item, Model, OutboxEvent
from tests.workers.simulation.made_up import WordEncoder, make_dataset, make_rows
from workers.context import Context
from workers.drift import label_tasks
from workers.embedding import tasks as embedding_tasks
from workers.intake.answers import take_answers
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.selection.tasks import conduct_round
from workers.training import tasks as training_tasks

OTHER = {"common": "rare", "rare": "common"}


def config_of(**drift: Any) -> ProjectConfig:
    return ProjectConfig.model_validate(
        {
            "classes": ("common", "rare"),
            "selection": {"batch_size": 150, "audit_share": 1.0},
            "drift": {"campaign_items": 10, **drift},
        }
    )


class Labeling:
    """The project `p` with 700 items, all of whose batches are audit items, answered at a test's word."""

    def __init__(
        self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, config: ProjectConfig
    ) -> None:
        self.database, self._config = database, config
        self._held = Context(settings, database, connect(settings))
        monkeypatch.setattr(Context, "relay", lambda _: None)
        for tasks in (embedding_tasks, training_tasks, label_tasks):
            monkeypatch.setattr(tasks, "context", lambda: self._held)
        monkeypatch.setattr(embedding_tasks, "load_encoder", lambda *_, **__: WordEncoder())
        with database.write() as session:
            assert create_project(session, "p", config)
            [self.project_id] = [project.id for project in all_projects(session)]
        dataset = make_dataset(make_rows(700, source="mail"))
        self._truth = {row.item.item_id: "".join(row.classes) for row in dataset.items}
        store_items(database, self.project_id, [row.item for row in dataset.items], rules=Rules(()), seed=0)
        embedding_tasks.embed_pending(project_id=self.project_id)
        self._answered = 0

    def go_on(self, *, wrong: bool = False) -> None:
        """Answer what is queued, train, measure, and look at the labels."""
        with self.database.read() as session:
            statement = select(Item.item_id).join(Assignment, col(Assignment.item) == col(Item.id))
            queued = session.exec(statement.where(col(Assignment.state) == AssignmentState.OPEN)).all()
        messages = [self._message(item_id, wrong) for item_id in queued]
        with self.database.write() as session:
            take_answers(session, project_id=self.project_id, config=self._config, messages=messages, origin="test")
            lanes.request(session, self.project_id, lanes.ROUND)
        assert conduct_round(self._held, self.project_id, asked=True)
        training_tasks.evaluate_model(project_id=self.project_id)
        label_tasks.watch_labels(project_id=self.project_id)

    def looks(self) -> list[FreshLabels]:
        with self.database.read() as session:
            return all_looks(session, self.project_id)

    def all_of(self, table: type[Any]) -> list[Any]:
        with self.database.read() as session:
            return list(session.exec(select(table).order_by(table.id)))

    def _message(self, item_id: str, wrong: bool) -> SubmissionMessage:
        self._answered += 1
        label = self._truth[item_id]
        return SubmissionMessage(
            project="p",
            submission_id=f"s{self._answered}",
            item_id=item_id,
            annotator=("anna", "ben")[self._answered % 2],
            label=OTHER[label] if wrong and self._answered % 2 else label,
        )


@pytest.fixture
def labeling(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Labeling:
    return Labeling(database, redis_settings, monkeypatch, config_of())


def test_labels_that_mean_something_else_raise_the_strongest_alarm_and_open_a_campaign(labeling: Labeling) -> None:
    labeling.go_on()  # no answer yet: the first batch is drawn
    labeling.go_on()
    labeling.go_on()
    assert [(look.level, look.began) for look in labeling.looks()] == [("quiet", 1), ("quiet", 1)]
    assert labeling.all_of(DriftAlarm) == []
    labeling.go_on(wrong=True)
    newest = labeling.looks()[-1]
    assert newest.level == "act"
    scopes = {alarm.scope for alarm in labeling.all_of(DriftAlarm) if alarm.channel == "performance"}
    assert "error" in scopes
    [campaign] = labeling.all_of(Campaign)
    assert campaign.origin == "performance"
    assert "share of wrong decisions is" in campaign.why
    assert len(campaign.candidates["drift"]) == 8
    with labeling.database.read() as session:
        told = session.exec(select(OutboxEvent.event).where(col(OutboxEvent.event) == Event.LABELS_LOOKED_AT)).all()
    assert len(told) == 3


def test_each_answer_is_seen_by_one_look(labeling: Labeling) -> None:
    for _ in range(4):
        labeling.go_on()
    with labeling.database.read() as session:
        ids, looks = items_seen(session, labeling.project_id, began=1)
    assert len(set(ids.tolist())) == len(ids)
    assert [look.findings["new"] for look in labeling.looks()] == [int((looks == number).sum()) for number in range(3)]
    assert labeling.looks()[-1].findings["answers"] == len(ids)


@pytest.mark.parametrize("mode", ["off", "ask"])
def test_the_mode_decides_who_starts_a_campaign(
    mode: str, database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeling = Labeling(database, redis_settings, monkeypatch, config_of(mode=mode))
    for wrong in (False, False, False, True):
        labeling.go_on(wrong=wrong)
    assert bool(labeling.looks()) == (mode == "ask")
    assert [campaign.state for campaign in labeling.all_of(Campaign)] == (["waiting"] if mode == "ask" else [])


def test_a_model_without_a_correction_says_nothing_of_one(labeling: Labeling) -> None:
    labeling.go_on()
    labeling.go_on()
    [model] = labeling.all_of(Model)
    assert "prior_shift" not in load_arrays(model.arrays)[1]
