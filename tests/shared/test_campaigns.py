"""Campaigns on record: proposed, held back, started by a person, and brought along from an older database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from shared import database as databases
from shared import lanes
from shared.campaigns import Origin, Running, State
from shared.database import Database, now
from shared.drift_tables import Campaign, CampaignBatch, DriftReport
from shared.project import ProjectConfig
from shared.repository import campaigns
from shared.repository.projects import create_project
from shared.tables import Lane, Project
from tests.shared.migrating import migrate

ITEMS = {"drift": [5, 6, 7], "relabel": [1], "audit": [9]}


class Projects:
    """A project whose windows and campaigns a test writes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        assert create_project(session, "p", ProjectConfig(classes=("a", "b")))
        self.id = session.exec(select(Project.id)).one()
        self._windows = 0

    def window(self) -> int:
        self._windows += 1
        report = DriftReport(
            project_id=self.id,
            window=self._windows,
            first=1,
            through=9,
            reference=1,
            settled=9,
            items=9,
            level="act",
            findings={},
            made_at=0.0,
        )
        self.session.add(report)
        self.session.flush()
        return report.id

    def propose(self, *, report: int | None = None, **drift: object) -> Campaign | None:
        config = ProjectConfig.model_validate({"classes": ["a", "b"], "drift": {"campaigns_per_day": 100, **drift}})
        return campaigns.propose(self.session, self.id, config, report=report, candidates=ITEMS, why="a test")

    def rounds_wanted(self) -> bool:
        return lanes.has_work(self.session, self.id, lanes.ROUND)

    def end_all(self) -> None:
        for campaign in campaigns.find_campaigns(self.session, self.id, states=[State.WAITING, State.RUNNING]):
            campaigns.end(self.session, campaign, state=State.DONE, reason="a test")


@pytest.fixture
def project(database: Database) -> Iterator[Projects]:
    with database.write() as session:
        yield Projects(session)


def test_in_mode_auto_the_next_round_serves_a_campaign(project: Projects) -> None:
    campaign = project.propose(report=project.window())
    assert campaign is not None
    assert (campaign.state, campaign.origin, campaign.budget) == (State.RUNNING, Origin.DRIFT, 5)
    assert campaigns.running(project.session, project.id) == [Running(campaign.id, ITEMS, 5, {}, new=True)]
    assert project.rounds_wanted()


def test_in_mode_ask_it_waits_for_a_person(project: Projects) -> None:
    campaign = project.propose(report=project.window(), mode="ask")
    assert campaign is not None
    assert campaign.state == State.WAITING
    assert campaigns.running(project.session, project.id) == []
    assert not project.rounds_wanted()
    campaigns.start(project.session, campaign)
    assert [one.id for one in campaigns.running(project.session, project.id)] == [campaign.id]
    assert project.rounds_wanted()


def test_in_mode_off_there_is_none(project: Projects) -> None:
    assert project.propose(report=project.window(), mode="off") is None


def test_without_a_window_it_is_about_performance(project: Projects) -> None:
    campaign = project.propose()
    assert campaign is not None
    assert campaign.origin == Origin.PERFORMANCE


def test_the_kinds_keep_their_proportion_where_the_budget_is_small(project: Projects) -> None:
    campaign = project.propose(report=project.window(), campaign_items=3)
    assert campaign is not None
    assert campaign.budget == 3
    assert {kind: len(items) for kind, items in campaign.candidates.items()} == {"drift": 2, "relabel": 1, "audit": 0}


def test_one_campaign_of_an_origin_is_live(project: Projects) -> None:
    assert project.propose() is not None
    assert project.propose() is None
    assert project.propose(report=project.window()) is not None


def test_three_windows_after_a_campaign_open_none(project: Projects) -> None:
    assert project.propose(report=project.window()) is not None
    project.end_all()
    opened = [project.propose(report=project.window()) is not None for _ in range(4)]
    assert opened == [False, False, False, True]


def test_after_a_campaign_about_performance_its_labels_are_waited_for(project: Projects) -> None:
    assert project.propose() is not None
    project.end_all()
    assert project.propose() is None


def test_a_day_has_a_ceiling_that_does_not_bind_a_person(project: Projects) -> None:
    assert project.propose(campaigns_per_day=1) is not None
    assert project.propose(report=project.window(), campaigns_per_day=1) is None
    campaigns.open_campaign(
        project.session, project.id, origin=Origin.PERSON, why="I want it", budget=5, candidates=ITEMS
    )
    first = project.session.exec(select(Campaign).where(col(Campaign.origin) == Origin.PERFORMANCE)).one()
    first.opened_at -= 86_400
    assert project.propose(report=project.window(), campaigns_per_day=1) is not None


def test_a_campaign_of_another_project_is_not_found(project: Projects) -> None:
    campaign = project.propose()
    assert campaign is not None
    assert campaigns.find_campaign(project.session, project.id, campaign.id) is campaign
    assert campaigns.find_campaign(project.session, project.id + 1, campaign.id) is None


def test_campaigns_of_an_older_database_are_done_or_run(database_url: str) -> None:
    old = Database(database_url)
    migrate(old, "0006")
    with old.engine.begin() as connection:
        for statement in (
            "INSERT INTO project (id, name, config, created_at) VALUES (1, 'p', '{}', 0)",
            "INSERT INTO batch (id, project_id, round, seed, submissions_seen, wanted, chosen, shortfalls, audit, "
            "train_s, select_s, selected_at) VALUES (7, 1, 1, 0, 0, 1, 1, '[]', '{}', 0, 0, 30)",
            'INSERT INTO driftreport (id, project_id, "window", first, through, settled, items, level, findings, '
            "made_at) VALUES (3, 1, 1, 1, 2, 2, 2, 'act', '{}', 10)",
            "INSERT INTO campaign (id, project_id, report, budget, candidates, batch, opened_at) "
            "VALUES (101, 1, 3, 1, '{\"drift\": [1]}', 7, 10), (102, 1, 3, 1, '{\"drift\": [2]}', NULL, 20)",
        ):
            connection.execute(text(statement))
    databases.upgrade(old)
    with old.write() as session:
        served, waiting = session.exec(select(Campaign).order_by(col(Campaign.id))).all()
        assert (served.state, served.started_at, served.ended_at) == (State.DONE, 10, 30)
        assert (waiting.state, waiting.started_at, waiting.ended_at) == (State.RUNNING, 20, None)
        assert session.exec(select(CampaignBatch.campaign, CampaignBatch.batch)).all() == [(101, 7)]
        assert session.exec(select(Lane.room).where(col(Lane.room) == lanes.CAMPAIGN)).all() == [lanes.CAMPAIGN]
        campaigns.open_campaign(session, 1, origin=Origin.DOUBT, why="", budget=1, candidates={"relabel": [1]})
        assert now(session) > 0
    migrate(old, "0006")
    with old.engine.begin() as connection:
        kept = connection.execute(text("SELECT id, batch FROM campaign ORDER BY id")).all()
        assert [tuple(row) for row in kept] == [(101, 7), (102, None)]
    databases.upgrade(old)
    old.close()
