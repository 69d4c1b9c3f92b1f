"""`quietcorner campaign` and `quietcorner relabel`: waiting, started, served over two rounds, stopped, asked again."""

import json
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from shared.campaigns import Origin, State
from shared.database import Database
from shared.drift_tables import DriftReport
from shared.project import ProjectConfig
from shared.repository.doubts import store_doubts
from shared.repository.projects import create_project
from shared.settings import Settings
from shared.tables import Item
from tests.campaigns import Campaigns
from tests.workers.commands.command_line import CommandLine, cli
from tests.workers.drift.turns import watch_in_turns
from workers.training import windows

__all__ = ["cli"]

CONFIG = ProjectConfig.model_validate(
    {"classes": ["common", "rare"], "selection": {"batch_size": 10}, "drift": {"mode": "ask"}}
)


@pytest.fixture
def project(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Campaigns:
    return Campaigns(database, redis_settings, monkeypatch, CONFIG)


def facts(cli: CommandLine, *arguments: str) -> dict[str, Any]:
    done = cli(*arguments, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out[done.out.index("{\n") :])  # what came before is the log of rounds
    return found


def test_a_campaign_waits_is_started_is_served_over_two_rounds_and_ends_for_a_reason(
    project: Campaigns, cli: CommandLine
) -> None:
    number = project.open(drift=project.items[60:76], origin=Origin.DRIFT, state=State.WAITING)
    project.batch()
    waiting = facts(cli, "campaign", "show", "p")
    assert (waiting["id"], waiting["state"], waiting["rounds"]) == (number, "waiting", [])
    assert f"quietcorner campaign start p {number}" in cli("campaign", "show", "p").out
    started = facts(cli, "campaign", "start", "p")
    assert (started["id"], started["state"]) == (number, "running")
    for _ in range(2):
        project.batch()
        project.answer()
    project.batch()
    [over] = facts(cli, "campaign", "list", "p")["campaigns"]
    assert (over["state"], over["rounds"], over["spent"]) == ("done", [2, 3], 16)
    told = cli("campaign", "show", "p", str(number)).out
    assert "ended because its budget is spent: 16 of 16 items came back" in told
    assert "served by the batches of rounds 2, 3" in told


def test_a_persons_own_campaign_asks_for_new_items_labeled_ones_and_some_by_chance(
    project: Campaigns, cli: CommandLine
) -> None:
    project.label(project.name[row] for row in project.items[:60])
    project.batch()
    with project.held.database.write() as session:
        session.add(
            DriftReport(
                project_id=project.project_id,
                window=1,
                reference=1,
                first=project.items[100],
                through=project.items[179],
                settled=project.items[179],
                items=80,
                level="act",
                findings={},
                made_at=0.0,
            )
        )
    started = facts(cli, "campaign", "start", "p", "--window", "1", "--budget", "20")
    assert started["asks"] == {"drift": 12, "relabel": 4, "audit": 4}
    assert (started["origin"], started["state"], started["why"]) == ("person", "running", "about drift window 1")
    project.answer()
    chosen = {row: channel for _ in range(2) for row, channel in project.batch().items()}
    campaign = project.state(started["id"])
    stretch = set(project.items[100:180])
    assert {row for row, channel in chosen.items() if channel == "drift"} <= stretch
    for row in campaign.candidates["audit"]:
        assert chosen[row] == "audit"
        assert row in stretch


def test_a_campaign_about_a_window_by_time_is_of_its_items_alone(project: Campaigns, cli: CommandLine) -> None:
    project.label(project.name[row] for row in project.items[:60])
    project.batch()
    with project.held.database.write() as session:
        _, later = watch_in_turns(session, project.project_id, project.items[100:180])
    campaign = project.state(facts(cli, "campaign", "start", "p", "--window", "2", "--budget", "20")["id"])
    assert {kind: len(items) for kind, items in campaign.candidates.items()} == {"drift": 12, "relabel": 4, "audit": 4}
    assert {*campaign.candidates["drift"], *campaign.candidates["audit"]} <= set(later)
    rows = np.array(project.items)
    raised = windows.by_item(campaign.audit, rows, np.zeros(len(rows), dtype=np.int64), ["mail"]) > 0
    assert set(rows[raised].tolist()) == set(later)


def test_a_campaign_about_a_source_is_of_its_items(project: Campaigns, cli: CommandLine) -> None:
    with project.held.database.read() as session:
        [source] = set(session.exec(select(Item.source)))
    started = facts(cli, "campaign", "start", "p", "--source", source)
    assert started["why"] == f"about source {source!r}"
    assert started["spent"] == 0
    unknown = cli("campaign", "start", "p", "--source", "nowhere")
    assert unknown.code == 2
    assert "no source 'nowhere'" in unknown.err


def test_a_stopped_campaign_is_served_no_more_and_still_says_what_it_brought(
    project: Campaigns, cli: CommandLine
) -> None:
    wanted = project.items[60:90]
    number = project.open(drift=wanted)
    asked = len(project.batch().keys() & set(wanted))
    project.answer()
    assert facts(cli, "campaign", "stop", "p", str(number))["state"] == "stopped"
    assert len(project.batch()) == 10
    shown = facts(cli, "campaign", "show", "p")
    assert (shown["spent"], shown["end_reason"]) == (asked, "a person stopped it")
    assert shown["outcome"]["answered"] == asked
    again = cli("campaign", "stop", "p", str(number))
    assert again.code == 2
    assert "is over already" in again.err


def test_what_cannot_be_done_is_said(database: Database, cli: CommandLine) -> None:
    with database.write() as session:
        assert create_project(session, "p", CONFIG)
    for arguments, told in (
        (("show", "p"), "p has no campaign yet"),
        (("show", "p", "99"), "p has no campaign 99 (campaigns: none yet)"),
        (("start", "p"), "no campaign of p waits for a start"),
        (("start", "p", "--budget", "5"), "--budget goes with --source or --window"),
        (("start", "p", "3", "--source", "mail"), "give an ID, 3, or options"),
        (("start", "p", "--window", "4"), "p has no drift window 4; it has none yet"),
        (("start", "p", "--source", "mail"), "p has no source 'mail' (sources: none)"),
        (("stop", "p", "5"), "p has no campaign 5"),
    ):
        done = cli("campaign", *arguments)
        assert done.code == 2
        assert told in done.err
    assert cli("relabel", "p", "--queue", "5").out == "p: no label is in doubt\n"
    assert facts(cli, "campaign", "list", "p")["campaigns"] == []


def test_labels_that_a_model_contradicts_are_listed_queued_and_asked_again(
    project: Campaigns, cli: CommandLine
) -> None:
    wrong = project.items[3]
    assert project.truth[project.name[wrong]] == "common"
    project.truth[project.name[wrong]] = "rare"
    project.label(project.name[row] for row in project.items[:120])
    project.batch()
    project.truth[project.name[wrong]] = "common"
    listed = facts(cli, "relabel", "p")
    assert listed["counts"]["contradicted"] >= 1
    assert project.name[wrong] in [one["item_id"] for one in listed["suspects"]]
    queued = facts(cli, "relabel", "p", "--queue", "3")["campaign"]
    assert (queued["origin"], queued["state"]) == ("doubt", "running")
    chosen = project.batch()
    asked = {row for row, channel in chosen.items() if channel == "relabel"}
    assert len(asked) == queued["budget"]
    project.answer(annotator="bert")
    project.batch()
    assert facts(cli, "campaign", "show", "p")["state"] == "done"
    exported = [json.loads(line) for line in cli("export", "p").out.splitlines() if line.startswith("{")]
    [line] = [one for one in exported if one["item_id"] == project.name[wrong]]
    assert line["label"] == ("common" if wrong in asked else "rare")
    assert len(line["submissions"]) == 1 + (wrong in asked)


def test_a_contradicted_label_of_the_audit_sample_is_listed_and_never_queued(
    project: Campaigns, cli: CommandLine
) -> None:
    labeled = project.items[:120]
    with project.held.database.read() as session:
        draws = dict(session.exec(select(Item.id, Item.draw).where(col(Item.id).in_(labeled))).all())
    common = [row for row in labeled if project.truth[project.name[row]] == "common"]
    wrong = min(common, key=lambda row: draws[row])
    project.truth[project.name[wrong]] = "rare"
    project.label(project.name[row] for row in labeled)
    for _ in range(6):
        project.batch()  # each lets one more item into the sample, by its draw
    listed = {one["item_id"]: one for one in facts(cli, "relabel", "p")["suspects"]}
    assert listed[project.name[wrong]]["kind"] == "contradicted"
    assert not listed[project.name[wrong]]["may_be_queued"]
    facts(cli, "relabel", "p", "--queue", "100")
    assert all(wrong not in project.batch() for _ in range(2))


def test_doubt_comes_before_age_and_no_item_stands_twice(project: Campaigns, cli: CommandLine) -> None:
    project.label(project.name[row] for row in project.items[:5])
    with project.held.database.write() as session:
        store_doubts(session, project.project_id, project.items[2:4], why="campaign 1: a test")
    listed = facts(cli, "relabel", "p")
    assert [(one["item_id"], one["kind"]) for one in listed["suspects"]] == [
        (project.name[row], "doubt") for row in project.items[2:4]
    ]
    told = cli("relabel", "p", "--show", "1").out
    assert "p: 2 labels may be wrong or out of date: 2 doubt" in told
