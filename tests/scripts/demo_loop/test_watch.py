from typing import Any, TypeVar

import pytest
from sqlmodel import Session

from scripts.demo_loop.watch import look
from shared import lanes
from shared.database import Database
from shared.drift_tables import Campaign, CampaignBatch, DriftReport
from shared.project import ProjectConfig
from shared.repository.drift import store_reference
from shared.repository.drift_windows import Seen
from shared.repository.projects import create_project
from shared.tables import Assignment, AssignmentState, Batch, Item, Label
from workers.commands.edge import open_project

_Row = TypeVar("_Row")
_CONFIG = ProjectConfig(classes=("praise", "fraud"))


@pytest.fixture
def project_id(database: Database) -> int:
    with database.write() as session:
        create_project(session, "tickets", _CONFIG)
        create_project(session, "another", _CONFIG)
    return open_project(database, "tickets")[0]


def test_labeled_items_of_this_project_are_seen(database: Database, project_id: int) -> None:
    other_project, _ = open_project(database, "another")
    with database.write() as session:
        labeled, _ = _item(session, project_id, "a"), _item(session, project_id, "b")
        other = _item(session, other_project, "c")
        for item in (labeled, other):
            session.add(
                Label(
                    item=item.id,
                    project_id=item.project_id,
                    value="fraud",
                    submissions=1,
                    agreement=1.0,
                    updated_at=0.0,
                )
            )

    view = look(database, "tickets")
    assert view.labeled == {"a"}
    assert view.status["labels"]["by_class"] == {"praise": 0, "fraud": 1}


@pytest.mark.parametrize(
    ("states", "done"),
    [
        ([AssignmentState.DONE, AssignmentState.WITHDRAWN], 1),
        ([AssignmentState.DONE, AssignmentState.OPEN], 0),
    ],
)
def test_a_campaign_is_done_when_nothing_of_its_batch_is_open(
    database: Database, project_id: int, states: list[AssignmentState], done: int
) -> None:
    with database.write() as session:
        batch = _batch(session, project_id)
        _campaign(session, project_id, batch=batch.id)
        for number, state in enumerate(states):
            session.add(_assignment(project_id, batch.id, _item(session, project_id, str(number)).id, state))

    view = look(database, "tickets")
    assert (view.campaigns, view.campaigns_done) == (1, done)


def test_a_campaign_without_a_batch_is_not_done(database: Database, project_id: int) -> None:
    with database.write() as session:
        _campaign(session, project_id, batch=None)

    view = look(database, "tickets")
    assert (view.campaigns, view.campaigns_done) == (1, 0)


def test_the_watch_knows_what_is_normal_once_there_is_a_reference(database: Database, project_id: int) -> None:
    before = look(database, "tickets")
    with database.write() as session:
        store_reference(session, project_id, encoder="e", arrays=b"", watched=Seen(1, 1), why="test")

    assert (before.knows_normal, look(database, "tickets").knows_normal) == (False, True)


def test_what_moves_shows_as_progress(database: Database, project_id: int) -> None:
    first, second = look(database, "tickets"), look(database, "tickets")
    with database.write() as session:
        _item(session, project_id, "a")

    assert first.progress == second.progress
    assert look(database, "tickets").progress != first.progress


def test_a_renewed_lease_shows_as_progress_since_its_worker_lives(database: Database, project_id: int) -> None:
    with database.write() as session:
        lanes.request(session, project_id, lanes.EMBED)
        claimed = lanes.claim(session, project_id=project_id, room=lanes.EMBED, owner="a worker", lease_s=10)
    before = look(database, "tickets")
    assert claimed is not None
    with database.write() as session:
        lanes.renew(session, claimed, lease_s=20)

    assert look(database, "tickets").progress != before.progress


def _item(session: Session, project_id: int, item_id: str) -> Item:
    item = Item(
        project_id=project_id,
        item_id=item_id,
        text=item_id,
        source="Email",
        text_key=hash(item_id) % 2**31,
        normal_key=0,
        draw=0.5,
        added_at=0.0,
    )
    return _added(session, item)


def _batch(session: Session, project_id: int) -> Batch:
    numbers: dict[str, Any] = {"seed": 0, "submissions_seen": 0, "wanted": 2, "chosen": 2, "train_s": 0, "select_s": 0}
    return _added(session, Batch(project_id=project_id, round=1, shortfalls=[], audit={}, selected_at=0.0, **numbers))


def _campaign(session: Session, project_id: int, *, batch: int | None) -> None:
    report = DriftReport(
        project_id=project_id,
        window=1,
        reference=1,
        first=1,
        through=2,
        settled=2,
        items=2,
        level="act",
        findings={},
        made_at=0.0,
    )
    candidates: dict[str, list[int]] = {"drift": [], "relabel": []}
    campaign = Campaign(
        project_id=project_id, report=_added(session, report).id, budget=2, candidates=candidates, opened_at=0.0
    )
    _added(session, campaign)
    if batch is not None:
        _added(session, CampaignBatch(campaign=campaign.id, batch=batch))


def _assignment(project_id: int, batch: int, item: int, state: AssignmentState) -> Assignment:
    return Assignment(project_id=project_id, batch=batch, item=item, rank=1, reason={}, state=state)


def _added(session: Session, row: _Row) -> _Row:
    session.add(row)
    session.flush()
    return row
