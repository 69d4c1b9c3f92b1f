"""From answers to alarms: the watch over labels on a real database, as its task runs it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, func, select

from shared import lanes
from shared.arrays import load_arrays
from shared.contracts import SubmissionMessage
from shared.database import Database, upgrade
from shared.drift_tables import Campaign, DriftAlarm, FreshLabels
from shared.events import Event
from shared.project import ProjectConfig
from shared.repository.drift import store_reference
from shared.repository.drift_windows import Seen
from shared.repository.fresh_labels import items_seen, queued_by_chance
from shared.repository.projects import all_projects, create_project
from shared.settings import Settings
from shared.streams import connect
from shared.tables import Assignment, AssignmentState, Item, Model, OutboxEvent
from shared.training_options import Training
from shared.urls import sqlite_url
from tests.workers.drift.turns import watch_in_turns
from tests.workers.simulation.made_up import WordEncoder, make_dataset, make_rows
from workers.context import Context
from workers.drift import label_tasks, label_watch
from workers.drift.label_watch import Asked
from workers.embedding import tasks as embedding_tasks
from workers.intake.answers import take_answers
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.reporting.fresh_labels import lines, summary
from workers.reporting.html import report_html
from workers.reporting.models import describe_version, read_version
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
    """The project `p` all of whose batches are audit items, answered at a test's word."""

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
        self._truth: dict[str, str] = {}
        self._answered = 0

    def bring(self, rows: list[dict[str, Any]]) -> None:
        """Ingest and embed items."""
        dataset = make_dataset(rows)
        self._truth |= {row.item.item_id: "".join(row.classes) for row in dataset.items}
        store_items(self.database, self.project_id, [row.item for row in dataset.items], rules=Rules(()), seed=0)
        embedding_tasks.embed_pending(project_id=self.project_id)

    def set_reference(self) -> None:
        """Call what is there the drift watch's reference."""
        with self.database.write() as session:
            newest = session.exec(select(func.max(Item.id))).one() or 0
            watched = Seen(newest, newest)
            store_reference(session, self.project_id, encoder=WordEncoder.key, arrays=b"", watched=watched, why="")

    def go_on(self, *, wrong: bool = False) -> None:
        """Answer what is queued, train, measure, and look at the labels."""
        with self.database.read() as session:
            statement = select(Item.item_id).join(Assignment, col(Assignment.item) == col(Item.id))
            queued = session.exec(statement.where(col(Assignment.state) == AssignmentState.OPEN)).all()
        messages = [self._message(item_id, wrong) for item_id in queued]
        with self.database.write() as session:
            take_answers(session, project_id=self.project_id, messages=messages, origin="test")
            lanes.request(session, self.project_id, lanes.ROUND)
        assert conduct_round(self._held, self.project_id, asked=True)
        training_tasks.evaluate_model(project_id=self.project_id)
        label_tasks.watch_labels(project_id=self.project_id)

    def looks(self) -> list[FreshLabels]:
        with self.database.read() as session:
            looks = select(FreshLabels).where(col(FreshLabels.project_id) == self.project_id)
            return list(session.exec(looks.order_by(col(FreshLabels.number))))

    def correction(self) -> dict[str, Any] | None:
        """What `model show` says of the newest model's correction."""
        with self.database.read() as session:
            found: dict[str, Any] | None = describe_version(read_version(session, self.project_id, "p"))["prior_shift"]
        return found

    def told(self) -> list[str]:
        with self.database.read() as session:
            return lines(summary(session, self.project_id))

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
    labeling.bring(make_rows(700, source="mail"))
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
        ids, looks = items_seen(session, labeling.project_id, began=1)
        shown = summary(session, labeling.project_id)
        page = report_html(labeling.database, labeling.project_id, "p", config_of())
        drawn = queued_by_chance(session, labeling.project_id)
    assert len(told) == 3
    assert set(ids.tolist()) <= set(drawn.tolist())  # all batches are audit items
    assert len(set(ids.tolist())) == len(ids) == newest.findings["answers"]
    assert [look.findings["new"] for look in labeling.looks()] == [int((looks == number).sum()) for number in range(3)]
    assert json.loads(json.dumps(shown)) == shown
    assert any("share of wrong decisions is" in alarm["why"] for alarm in shown["alarms"])
    assert any("wrong decisions: 0." in line for line in lines(shown))
    assert "<h2>Fresh labels</h2>" in page
    assert all("prior_shift" not in load_arrays(model.arrays)[1] for model in labeling.all_of(Model))


def test_class_shares_are_those_of_the_newest_windows_own_items(
    labeling: Labeling, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asked] = []
    look = label_watch.look

    def noted(seen: Asked, *rest: Any, **more: Any) -> Any:
        asked.append(seen)
        return look(seen, *rest, **more)

    monkeypatch.setattr(label_watch, "look", noted)
    labeling.bring(make_rows(300, source="mail"))
    with labeling.database.write() as session:
        rows = session.exec(select(Item.id).order_by(col(Item.id))).all()
        _, later = watch_in_turns(session, labeling.project_id, rows[100:200])
    labeling.go_on()
    labeling.go_on()

    seen = asked[-1]
    assert seen.window_number == 2
    assert seen.pool.ids[seen.window].tolist() == later


def test_where_the_watch_is_off_nobody_looks(
    database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeling = Labeling(database, redis_settings, monkeypatch, config_of(mode="off"))
    labeling.bring(make_rows(300, source="mail"))
    labeling.go_on()
    labeling.go_on()
    assert labeling.looks() == []
    with database.read() as session:
        assert not lanes.has_work(session, labeling.project_id, lanes.LABELS)


def test_new_class_shares_correct_the_model_until_one_has_learned_them(
    tmp_path: Path, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url(tmp_path / "one.db"))
    upgrade(database)
    # A lexicon would be made half-way, and the model that is retrained then has learned the new shares already.
    vectors_alone = config_of().model_copy(update={"training": Training(lexical=False)})
    labeling = Labeling(database, redis_settings, monkeypatch, vectors_alone)
    labeling.bring(ambiguous_rows(400, rare=0.1, seed=1))
    labeling.set_reference()
    labeling.go_on()
    labeling.go_on()
    labeling.bring(ambiguous_rows(1_600, rare=0.7, seed=2))
    labeling.go_on()
    assert labeling.correction() is None  # nobody has answered for a new item yet
    labeling.go_on()
    said = labeling.correction()
    assert said is not None
    assert said["log_ratios"]["rare"] > 0 > said["log_ratios"]["common"]
    assert said["log_loss"] - said["log_loss_corrected"] > said["standard_error"]
    assert any("probabilities are corrected" in line for line in labeling.told())
    for _ in range(3):
        labeling.go_on()
    assert labeling.correction() is None
    assert not any("probabilities are corrected" in line for line in labeling.told())
    database.close()


def ambiguous_rows(items: int, *, rare: float, seed: int) -> list[dict[str, Any]]:
    """Half of the texts tell their class, the others could be of any."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(items):
        label = "rare" if rng.random() < rare else "common"
        telling = {"rare": "fraud", "common": "invoice"}[label] if rng.random() < 0.5 else "hello"
        words = [*rng.choice(["the", "a", "my", "card", "order"], size=3), telling, telling, f"{seed}n{number}"]
        rows.append({"id": f"{seed}-{number}", "text": " ".join(words), "label": label, "source": "mail"})
    return rows
