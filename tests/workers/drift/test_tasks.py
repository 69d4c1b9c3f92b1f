"""The watch on a real database: references, windows by count and by time, alarms, and what it costs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete
from sqlmodel import col, select

from shared.database import Database
from shared.drift_tables import Campaign, DriftAlarm, DriftHeldOut, DriftReference, DriftReport
from shared.repository import alarms, pools
from shared.repository.drift import window_items
from shared.repository.projects import store_config
from shared.settings import Settings
from shared.tables import Item, Label, Model
from tests.workers.drift.stream import DRIFT, Stream, new, usual
from tests.workers.drift.world import Texts, join
from workers.drift import held_out, tasks
from workers.drift.levels import Level
from workers.drift.reference import items_of
from workers.drift.watch import Change, Kind, WatchState
from workers.training import model_storage
from workers.training.tuning import train


@pytest.fixture
def make(database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stream]:
    def stream(**drift: Any) -> Stream:
        options = DRIFT.model_copy(update=drift)
        return Stream(database, redis_settings, monkeypatch, options)

    return stream


def test_a_new_topic_is_reported_raises_an_alarm_and_opens_a_campaign(make: Callable[..., Stream]) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(usual(100, seed=1))
    stream.arrive(join(usual(80, seed=2), new(20, seed=3)))
    stream.watch()

    assert [report.level for report in stream.rows(DriftReport)] == ["quiet", "act"]
    alarm = next(alarm for alarm in stream.rows(DriftAlarm) if alarm.channel == "novelty")
    assert alarm.level == "act"
    assert "of window 2: unlike all items of the reference, most of them from mail" in alarm.why
    [campaign] = stream.rows(Campaign)
    assert campaign.report == stream.rows(DriftReport)[1].id


def test_the_same_items_give_the_same_reports_however_often_the_watch_is_woken(make: Callable[..., Stream]) -> None:
    stream = make()
    for part in (usual(400, seed=0), usual(100, seed=1), join(usual(90, seed=2), new(10, seed=3))):
        stream.arrive(part)
        stream.watch()
    before = [(report.findings, report.state, report.level) for report in stream.rows(DriftReport)]

    _forget(stream, DriftAlarm, Campaign, DriftReport)
    stream.watch()

    assert [(report.findings, report.state, report.level) for report in stream.rows(DriftReport)] == before
    assert before[-1][1]


def test_an_alarm_that_grew_says_what_it_is_now(make: Callable[..., Stream], monkeypatch: pytest.MonkeyPatch) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    for kind, level, share in ((Kind.RAISED, Level.WARN, 0.03), (Kind.GREW, Level.ACT, 0.08)):
        change = Change(kind, "embedding", "", level, share)
        monkeypatch.setattr(tasks, "advance", lambda *_, change=change, **__: (WatchState(), (change,)))
        stream.arrive(usual(100, seed=int(1_000 * share)))
        stream.watch()

    [alarm] = stream.rows(DriftAlarm)
    assert (alarm.level, alarm.share) == ("act", 0.08)
    assert alarm.why.startswith("at least 8.0% of window 2: ")


def test_an_alarm_is_over_after_three_calm_windows(make: Callable[..., Stream]) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(join(usual(80, seed=2), new(20, seed=3)))
    for seed in range(4, 7):
        stream.arrive(usual(100, seed=seed))
    stream.watch()

    novelty = [alarm for alarm in stream.rows(DriftAlarm) if alarm.channel == "novelty"]
    assert len(novelty) == 1
    assert novelty[0].end_reason == "three windows up to 4 showed less than half of it, or nothing beyond chance"


@pytest.mark.parametrize("acknowledged", [False, True])
def test_what_a_person_has_acknowledged_opens_no_campaign(make: Callable[..., Stream], acknowledged: bool) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(join(usual(80, seed=2), new(20, seed=3)))
    stream.watch()
    _forget(stream, Campaign)
    if acknowledged:
        with stream.held.database.write() as session:
            for alarm in alarms.live_alarms(session, stream.project_id):
                alarms.acknowledge(session, stream.project_id, alarm.id, why="a sale")
    stream.arrive(join(usual(80, seed=5), new(20, seed=6)))
    stream.watch()

    assert len(stream.rows(Campaign)) == (not acknowledged)
    assert {alarm.acknowledged_why for alarm in stream.rows(DriftAlarm)} == {"a sale" if acknowledged else None}


def test_items_that_are_not_embedded_yet_are_waited_for(make: Callable[..., Stream]) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(usual(100, seed=1), embedded=False)
    stream.watch()

    assert stream.rows(DriftReport) == []


def test_another_encoder_fits_the_same_items_anew_and_ends_alarms(make: Callable[..., Stream]) -> None:
    stream = make()
    first, drifted = usual(400, seed=0), join(usual(80, seed=2), new(20, seed=3))
    stream.arrive(first)
    stream.watch()
    stream.arrive(drifted)
    stream.watch()
    with stream.held.database.write() as session:
        keys = [item.text_key for item in session.exec(select(Item).order_by(col(Item.id)))]
        stream.embed(session, keys, join(first, drifted), "another")
    stream.watch()

    one, two = stream.rows(DriftReference)
    assert (one.version, two.version, two.encoder) == (1, 2, "another")
    assert items_of(one.arrays).tolist() == items_of(two.arrays).tolist()
    assert one.through == two.through
    assert all("another encoder" in (alarm.end_reason or "") for alarm in stream.rows(DriftAlarm))
    assert len(stream.rows(DriftReport)) == 1


def test_windows_by_time_hold_the_items_of_their_hours(make: Callable[..., Stream]) -> None:
    stream = make(window_hours=1.0)
    stream.arrive(usual(400, seed=0))
    stream.watch()
    # Out of order, over two hours and a bit; it all arrives later than it happened.
    times = np.random.default_rng(0).permutation(np.linspace(36_000, 36_000 + 2.2 * 3_600, 220)).tolist()
    stream.arrive(usual(220, seed=1), times=times, arrived=1e6)
    stream.watch()

    reports = stream.rows(DriftReport)
    assert [(report.since, report.until) for report in reports] == [(36_000.0, 39_600.0), (39_600.0, 43_200.0)]
    assert [report.items for report in reports] == [
        sum(a <= time < a + 3_600 for time in times) for a in (36_000, 39_600)
    ]


def test_a_late_item_is_looked_at_in_the_next_window_and_an_undated_one_when_it_arrived(
    make: Callable[..., Stream],
) -> None:
    stream = make(window_hours=1.0)
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(usual(60, seed=1), times=[3_600.0 + 60 * number for number in range(60)], arrived=7_200.0)
    stream.arrive(usual(60, seed=2), times=[7_200.0 + 60 * number for number in range(60)], arrived=10_800.0)
    stream.watch()
    stream.arrive(usual(2, seed=3), times=[4_000.0, None], arrived=10_000.0)
    stream.arrive(usual(1, seed=4), times=[11_400.0], arrived=11_400.0)
    stream.watch()

    first, second = stream.rows(DriftReport)
    assert (first.items, second.items) == (60, 62)
    assert (second.findings["late"], second.findings["undated"]) == (1, 1)


def test_a_pause_is_no_window_and_a_time_yet_to_come_counts_as_now(make: Callable[..., Stream]) -> None:
    stream = make(window_hours=1.0)
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(usual(50, seed=1), times=[1e9] * 50, arrived=4_000.0)
    stream.arrive(usual(50, seed=2), times=[36_500.0] * 50, arrived=40_000.0)
    stream.watch()

    [report] = stream.rows(DriftReport)
    assert (report.since, report.items) == (3_600.0, 50)


def test_changing_from_count_to_time_and_back_skips_nothing_and_repeats_nothing(make: Callable[..., Stream]) -> None:
    stream = make()
    stream.arrive(usual(400, seed=0))
    stream.watch()
    stream.arrive(usual(100, seed=1), times=_each_90_s(1, 100), arrived=1e6)
    stream.watch()
    _set_drift(stream, window_hours=1.0)
    stream.arrive(usual(100, seed=2), times=_each_90_s(4, 100), arrived=1e6)
    stream.watch()
    _set_drift(stream, window_hours=None)
    stream.arrive(usual(100, seed=3), times=_each_90_s(7, 100), arrived=1e6)
    stream.watch()

    assert [report.items for report in stream.rows(DriftReport)] == [100, 40, 40, 100]


def test_what_a_window_by_time_left_to_later_ones_is_looked_at_after_a_change_to_windows_by_count(
    make: Callable[..., Stream],
) -> None:
    stream = make(window_hours=1.0)
    stream.arrive(usual(400, seed=0))
    stream.watch()
    mixed = np.random.default_rng(0).permutation(_each_90_s(1, 40) + 4 * _each_90_s(2, 40)).tolist()
    stream.arrive(usual(200, seed=1), times=mixed, arrived=1e6)
    stream.watch()
    _set_drift(stream, window_hours=None, window_items=50)
    stream.arrive(usual(30, seed=2), times=_each_90_s(9, 30), arrived=1e6)
    stream.watch()
    _set_drift(stream, window_hours=1.0)
    stream.arrive(usual(1, seed=3), times=[1e6], arrived=1e6)
    stream.watch()

    reports = stream.rows(DriftReport)
    assert [report.items for report in reports] == [40, 50, 50, 50, 10, 30]
    with stream.held.database.read() as session:
        found = [window_items(session, report).tolist() for report in reports]
    assert [(len(ids), min(ids)) for ids in found] == [(report.items, report.first) for report in reports]
    assert sorted(item for ids in found for item in ids) == list(range(401, 631))


def _each_90_s(hour: int, count: int) -> list[float]:
    return [3_600.0 * hour + 90 * number for number in range(count)]


def _set_drift(stream: Stream, **options: Any) -> None:
    stream.config = stream.config.model_copy(update={"drift": stream.config.drift.model_copy(update=options)})
    with stream.held.database.write() as session:
        store_config(session, stream.project_id, stream.config)


def _forget(stream: Stream, *tables: type[Any]) -> None:
    with stream.held.database.write() as session:
        for table in tables:
            session.connection().execute(delete(table))


def test_predictions_of_a_labeled_reference_are_compared_and_what_was_held_out_is_kept(
    make: Callable[..., Stream],
) -> None:
    stream = make()
    texts = usual(400, seed=0)
    stream.arrive(texts)
    stream.watch()
    _teach(stream, texts)
    stream.arrive(usual(100, seed=1))
    stream.watch()
    [kept] = _kept(stream)
    stream.arrive(usual(100, seed=2))
    stream.watch()

    for report in stream.rows(DriftReport):
        assert report.findings["predicted"]["compared"]
        assert "rare: rare" in report.findings["tests"]
    assert (kept.model, kept.reference) == (1, 1)
    assert len(held_out.load(kept.arrays).ids) == 100
    assert [row.arrays for row in _kept(stream)] == [kept.arrays]

    _teach(stream, texts, version=2)
    stream.arrive(usual(100, seed=3))
    stream.watch()
    assert [(row.model, row.reference) for row in _kept(stream)] == [(2, 1)]


def _teach(stream: Stream, texts: Texts, *, version: int = 1) -> None:
    """Label the first quarter of the reference, topics 0 and 1 as rare, and train a model on it."""
    project, held = stream.project_id, stream.held
    with held.database.write() as session:
        if version == 1:
            for item, topic in zip(range(1, 101), texts.topics.tolist(), strict=False):
                value = "rare" if topic < 2 else "common"
                session.add(Label(item=item, project_id=project, value=value, submissions=1, agreement=1, updated_at=0))
            session.flush()
        pool = pools.load_pool(session, project_id=project, config=stream.config, vector_folder=held.vector_folder)
        model = train(pool, stream.config)
        assert model is not None
        arrays = model_storage.dump(model, header={})
        session.add(Model(project_id=project, version=version, encoder="e", labels=100, arrays=arrays, trained_at=0))


def _kept(stream: Stream) -> list[DriftHeldOut]:
    with stream.held.database.read() as session:
        return list(session.exec(select(DriftHeldOut)))
