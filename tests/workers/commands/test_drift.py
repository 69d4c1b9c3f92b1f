"""`quietcorner drift`: the watch, its windows, its alarms and its reference, on a real database."""

import json
from pathlib import Path

import numpy as np
import pytest

from shared.database import Database
from shared.drift_tables import Campaign, DriftAlarm, DriftReference, DriftReport
from shared.errors import InvalidInputError
from shared.settings import Settings
from tests.workers.drift.stream import DRIFT, Stream, new, usual
from tests.workers.drift.world import join
from tests.workers.reporting.command import run, there
from workers.drift import tasks
from workers.drift.levels import Level
from workers.drift.reference import items_of
from workers.drift.watch import Change, Kind, WatchState

__all__ = ["there"]


@pytest.fixture
def stream(there: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """A reference, a quiet window, and one with a new topic."""
    made = Stream(there, redis_settings, monkeypatch, DRIFT)
    made.arrive(usual(400, seed=0))
    made.watch()
    made.arrive(usual(100, seed=1))
    made.arrive(join(usual(80, seed=2), new(20, seed=3)))
    made.watch()
    return made


@pytest.mark.usefixtures("stream")
def test_the_project_alone_is_enough_to_see_alarms_and_windows() -> None:
    shown = run("drift", "p").stdout

    assert shown.splitlines()[0].startswith("p: beside reference 1 of ")
    assert "(the first items of the project); at most 1 false alarm in 1,000 windows." in shown
    assert "unlike all items of the reference, most of them from mail" in shown
    assert shown == run("drift", "status", "p").stdout
    bars = [line for line in shown.splitlines() if "quiet" in line or "act" in line]
    assert [line.count("█") > 10 for line in bars if line.strip().startswith(("1 ", "2 "))][-2:] == [False, True]


@pytest.mark.usefixtures("stream")
def test_machines_get_all_of_it() -> None:
    facts = json.loads(run("drift", "p", "--json").stdout)

    assert (facts["project"], facts["mode"], facts["reference"]["version"]) == ("p", "auto", 1)
    assert [one["level"] for one in facts["windows"]] == ["quiet", "act"]
    assert {alarm["channel"] for alarm in facts["alarms"]} >= {"novelty"}
    assert set(facts["labels"]) >= {"levels", "last", "alarms"}


@pytest.mark.usefixtures("stream")
def test_a_window_is_shown_with_its_typical_texts_and_as_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "window.png"

    shown = run("drift", "show", "p", "2", "--plot", str(picture)).stdout

    assert "p, window 2 (100 items): act" in shown
    assert "novelty" in shown
    assert "    item 00" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(run("drift", "show", "p", "--json").stdout)["window"] == 2


def test_an_alarm_by_gathered_evidence_is_told_beside_the_level_that_it_gave_the_window(
    there: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Stream(there, redis_settings, monkeypatch, DRIFT)
    made.arrive(usual(400, seed=0))
    made.watch()
    raised = Change(Kind.RAISED, "cells", "", Level.ACT, 0.061, ("cell 3",))
    monkeypatch.setattr(tasks, "advance", lambda *_, **__: (WatchState(), (raised,)))
    made.arrive(usual(100, seed=1))
    made.watch()

    shown = run("drift", "show", "p", "1").stdout
    assert "p, window 1 (100 items): act\nBy itself nothing beyond chance.\n" in shown
    assert "together with the windows before it: cells (cell 3), 6.1 % of the items." in shown
    assert "0 %  ·  with the windows before it" in run("drift", "p").stdout


@pytest.mark.usefixtures("stream")
def test_a_window_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(InvalidInputError, match="p has no drift window 9"):
        run("drift", "show", "p", "9")


def test_an_alarm_is_acknowledged(stream: Stream) -> None:
    number = next(alarm.id for alarm in stream.rows(DriftAlarm) if alarm.channel == "novelty")

    run("drift", "acknowledge", "p", str(number), "--why", "a sale")

    assert next(alarm for alarm in stream.rows(DriftAlarm) if alarm.id == number).acknowledged_why == "a sale"
    assert "act, acknowledged" in run("drift", "p").stdout
    with pytest.raises(InvalidInputError, match="there is no alarm 4711"):
        run("drift", "acknowledge", "p", "4711")


def test_a_new_reference_is_set_with_its_reason_and_ends_alarms(stream: Stream) -> None:
    said = run("drift", "reference", "set", "p", "--from-window", "1", "--why", "a new price list").stdout

    assert "reference 2 is in force" in said
    assert all("a new price list" in (alarm.end_reason or "live") for alarm in stream.rows(DriftAlarm))
    facts = json.loads(run("drift", "reference", "show", "p", "--json").stdout)
    assert (facts["version"], facts["items"], facts["why"]) == (2, 200, "a new price list")
    assert json.loads(run("drift", "reference", "show", "p", "1", "--json").stdout)["items"] == 400


def test_beside_a_new_reference_that_holds_the_new_topic_it_is_new_no_more(stream: Stream) -> None:
    stream.arrive(join(usual(80, seed=4), new(20, seed=5)))
    stream.watch()
    run("drift", "reference", "set", "p", "--from-window", "2", "--through", "3", "--why", "it stays")
    stream.arrive(join(usual(80, seed=6), new(20, seed=7)))
    stream.watch()

    reports = stream.rows(DriftReport)
    assert [(report.reference, report.level) for report in reports][1:] == [(1, "act"), (1, "act"), (2, "quiet")]


@pytest.fixture(params=["as they happened", "in any order"])
def by_hour(
    there: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> tuple[Stream, list[float]]:
    """A reference, and six windows of an hour with a hundred items each, which came in one file; with all times."""
    made = Stream(there, redis_settings, monkeypatch, DRIFT.model_copy(update={"window_hours": 1.0}))
    made.arrive(usual(400, seed=0))
    made.watch()
    times = [3_600.0 + 36 * number for number in range(620)]
    if request.param == "in any order":
        times = np.random.default_rng(0).permutation(times).tolist()
    made.arrive(usual(620, seed=1), times=times, arrived=1e6)
    made.watch()
    return made, times


def _drawn(stream: Stream) -> list[int]:
    """Row numbers of the newest reference."""
    return sorted(items_of(stream.rows(DriftReference)[-1].arrays).tolist())


def _of_hours(times: list[float], first: int, last: int) -> list[int]:
    """Row numbers of what came after the first reference and is of the hours that these windows by time are of."""
    inside = (3_600.0 * first, 3_600.0 * (last + 1))
    return [401 + place for place, time in enumerate(times) if inside[0] <= time < inside[1]]


def test_a_reference_of_windows_by_time_holds_their_items_alone(by_hour: tuple[Stream, list[float]]) -> None:
    stream, times = by_hour

    run("drift", "reference", "set", "p", "--from-window", "3", "--through", "4", "--why", "x")
    assert _drawn(stream) == _of_hours(times, 3, 4)
    run("drift", "reference", "set", "p", "--from-window", "3", "--why", "x")
    assert _drawn(stream) == _of_hours(times, 3, 6)


def test_a_reference_without_named_windows_is_drawn_from_all_that_was_watched(
    by_hour: tuple[Stream, list[float]],
) -> None:
    stream, times = by_hour

    run("drift", "reference", "set", "p", "--why", "x")

    drawn, watched = set(_drawn(stream)), {*range(1, 401), *_of_hours(times, 1, 6)}
    assert len(drawn) == 400
    assert drawn < watched
    assert drawn != set(range(1, 401))


def test_beside_a_new_reference_each_item_that_was_not_watched_yet_is_and_no_other(
    by_hour: tuple[Stream, list[float]],
) -> None:
    stream, _ = by_hour
    run("drift", "reference", "set", "p", "--why", "x")
    assert json.loads(run("drift", "replay", "p", "--json").stdout)["windows"] == []

    stream.arrive(usual(100, seed=2), times=[25_920.0 + 36 * number for number in range(100)], arrived=1e6)
    stream.watch()

    report = stream.rows(DriftReport)[-1]
    assert (report.window, report.reference, report.items, report.since) == (7, 2, 100, 25_200.0)
    assert [one["items"] for one in json.loads(run("drift", "replay", "p", "--json").stdout)["windows"]] == [100]


def test_windows_that_are_not_there_are_no_reference(stream: Stream) -> None:
    with pytest.raises(InvalidInputError, match="has no drift window 7"):
        run("drift", "reference", "set", "p", "--from-window", "7", "--why", "none")
    assert len(stream.rows(DriftAlarm)) == sum(alarm.closed_at is None for alarm in stream.rows(DriftAlarm))


def test_a_replay_finds_the_same_and_writes_nothing(stream: Stream) -> None:
    before = [(report.level, report.findings["share"]) for report in stream.rows(DriftReport)]

    facts = json.loads(run("drift", "replay", "p", "--json").stdout)

    assert [(one["level"], one["share"]) for one in facts["windows"]] == before
    assert any(alarm["channel"] == "novelty" for alarm in facts["windows"][1]["alarms"])
    assert len(stream.rows(DriftReport)) == 2
    assert len(stream.rows(Campaign)) == 1


@pytest.mark.usefixtures("stream")
def test_what_was_watched_before_a_new_reference_can_be_looked_at_again_as_its_help_says() -> None:
    run("drift", "reference", "set", "p", "--from-window", "1", "--why", "a new price list")

    assert "no full window came after reference 2" in run("drift", "replay", "p").stdout
    assert "drift replay NAME --reference VERSION" in run("drift", "reference", "set", "--help").stdout
    assert len(json.loads(run("drift", "replay", "p", "--reference", "1", "--json").stdout)["windows"]) == 2


def test_a_replay_opens_a_campaign_only_when_asked(stream: Stream) -> None:
    with stream.held.database.write() as session:
        for campaign in stream.rows(Campaign):
            session.delete(session.get_one(Campaign, campaign.id))

    run("drift", "replay", "p")
    assert stream.rows(Campaign) == []

    assert "opened a campaign" in run("drift", "replay", "p", "--campaign").stdout
    assert [campaign.origin for campaign in stream.rows(Campaign)] == ["drift"]


def test_a_replay_says_that_its_windows_have_numbers_of_their_own(stream: Stream) -> None:
    run("drift", "reference", "set", "p", "--from-window", "1", "--through", "1", "--why", "a new price list")
    stream.arrive(join(usual(80, seed=4), new(20, seed=5)))
    stream.watch()
    with stream.held.database.write() as session:
        for campaign in stream.rows(Campaign):
            session.delete(session.get_one(Campaign, campaign.id))
    assert stream.rows(DriftReport)[-1].window == 3

    said = run("drift", "replay", "p", "--campaign").stdout

    assert said.startswith("p: windows after reference 2, the first of them is 1;")
    [campaign] = stream.rows(Campaign)
    assert "of window 1 of a replay beside reference 2 are unlike the reference" in campaign.why


def test_a_project_without_a_reference_says_what_it_waits_for(
    there: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stream(there, redis_settings, monkeypatch, DRIFT)

    assert "no reference yet" in run("drift", "p").stdout
    with pytest.raises(InvalidInputError, match="has no drift reference yet"):
        run("drift", "replay", "p")
