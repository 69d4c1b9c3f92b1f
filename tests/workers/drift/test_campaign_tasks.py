"""The course of a campaign, with the real database: served over rounds, never beyond its budget, ended for a reason."""

import pytest
from sqlmodel import select

from shared.campaigns import Origin, Region, State
from shared.database import Database
from shared.project import ProjectConfig
from shared.repository.doubts import doubted
from shared.settings import Settings
from shared.tables import Assignment
from tests.campaigns import Campaigns
from workers.training import windows

CONFIG = ProjectConfig.model_validate(
    {"classes": ["common", "rare"], "selection": {"batch_size": 10}, "drift": {"campaign_share": 0.5}}
)


@pytest.fixture
def project(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Campaigns:
    return Campaigns(database, redis_settings, monkeypatch, CONFIG)


def test_a_campaign_is_served_over_rounds_and_ends_when_its_budget_is_spent(project: Campaigns) -> None:
    wanted = project.items[50:66]
    campaign = project.open(drift=wanted)
    first = project.batch()
    assert len(first.keys() & set(wanted)) == 10
    assert len(first) == 20
    assert project.state(campaign).state == State.RUNNING
    project.answer()
    second = project.batch()
    assert first.keys() | second.keys() >= set(wanted)
    assert project.state(campaign).end_reason is None
    project.answer()
    project.batch()
    over = project.state(campaign)
    assert over.state == State.DONE
    assert over.end_reason == "its budget is spent: 16 of 16 items came back"
    assert over.outcome is not None
    assert over.outcome["answered"] == 16
    with project.held.database.read() as session:
        asked = session.exec(select(Assignment.item)).all()
    assert len(asked) == len(set(asked))


def test_a_campaign_that_waits_is_not_served(project: Campaigns) -> None:
    wanted = project.items[50:56]
    campaign = project.open(drift=wanted, state=State.WAITING)
    assert len(project.batch()) == 10
    assert project.state(campaign).state == State.WAITING


def test_a_budget_smaller_than_the_candidates_is_not_exceeded(project: Campaigns) -> None:
    wanted = project.items[50:80]
    campaign = project.open(drift=wanted, budget=7)
    project.batch()
    project.answer()
    project.batch()
    over = project.state(campaign)
    assert over.end_reason == "its budget is spent: 7 of 7 items came back"
    assert over.outcome is not None
    assert over.outcome["queued"] == 7


def test_a_shift_that_labels_explain_ends_a_campaign_before_its_budget_does(project: Campaigns) -> None:
    affected = project.items[100:120]
    # Any two of these texts share words: near enough.
    campaign = project.open(drift=affected, origin=Origin.DRIFT, region=Region(affected, near=0.1))
    project.batch()
    project.answer()
    project.batch()
    over = project.state(campaign)
    assert over.state == State.DONE
    assert over.end_reason is not None
    assert over.end_reason.startswith("the shift is explained: 100% of the affected items")


def test_what_was_labeled_elsewhere_leaves_a_campaign_with_nothing_to_ask(project: Campaigns) -> None:
    wanted = project.items[100:106]
    campaign = project.open(drift=wanted, state=State.WAITING)
    project.label(project.name[row] for row in wanted[:3])
    later = project.open(drift=wanted[:3])
    project.batch()
    assert project.state(later).end_reason == "nothing is left to ask for: 0 of 3 items came back"
    assert project.state(campaign).state == State.WAITING


def test_an_item_of_two_campaigns_is_asked_once(project: Campaigns) -> None:
    project.label(project.name[row] for row in project.items[:30])
    both = project.items[:5]
    one, two = project.open(relabel=both), project.open(relabel=both)
    project.batch()
    project.answer()
    chosen = project.batch()
    assert "relabel" not in chosen.values()
    for campaign in (one, two):
        assert project.state(campaign).end_reason == "its budget is spent: 5 of 5 items came back"


def test_changed_answers_put_the_labels_around_in_doubt_until_they_are_asked_again(project: Campaigns) -> None:
    project.label(project.name[row] for row in project.items[:60])
    asked = project.items[:10]
    other = {"common": "rare", "rare": "common"}
    campaign = project.open(relabel=asked, region=Region(near=0.3))
    project.batch()
    project.answer(lambda row: other[project.truth[project.name[row]]], annotator="bert")
    project.batch()
    over = project.state(campaign)
    assert over.outcome is not None
    assert over.outcome["again"]["changed"] == 10
    with project.held.database.read() as session:
        doubtful = doubted(session, project.project_id)
    assert len(doubtful) == over.outcome["again"]["in_doubt"] > 0
    assert doubtful.keys() <= set(project.items[10:60])
    some = next(iter(doubtful))
    again = project.open(relabel=[some])
    project.batch()
    project.answer()
    project.batch()
    assert project.state(again).state == State.DONE
    with project.held.database.read() as session:
        assert doubted(session, project.project_id).keys() == doubtful.keys() - {some}


def test_the_new_regime_is_measured_by_the_model_from_before_and_by_todays(project: Campaigns) -> None:
    project.label(project.name[row] for row in project.items[:100])
    project.batch()
    stretch = windows.key(project.items[140], project.items[179])
    campaign = project.open(drift=project.items[140:160], region=Region(audit={stretch: 0.5}))
    for _ in range(4):
        project.batch()
        project.answer()
    project.batch()
    over = project.state(campaign)
    assert over.outcome is not None
    measured = over.outcome["measured"]
    assert measured["items"] > 0
    for side in ("before", "after"):
        assert 0 <= measured[side]["errors"]["low"] <= measured[side]["errors"]["high"] <= 1
        assert sum(one["items"] for one in measured[side]["classes"].values()) == measured["items"]
