"""Health and metrics tell what is so, from the database at that moment."""

import re
import time
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from shared import lanes
from shared.database import Database, now
from shared.drift_tables import DriftReport
from shared.events import Event, emit
from shared.settings import Settings
from shared.tables import Batch, OutboxEvent
from shared.tokens import Scope
from tests.workers.gateway.server import PROJECT, Api, answer, api, served

__all__ = ["api"]


def metrics(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Sample name and labels -> value."""
    response = api.ask("GET", "/metrics", token=api.token(Scope.READ))
    assert response.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(found: Any, name: str, **labels: str) -> float:
    number: float = found[(f"quietcorner_{name}", frozenset(labels.items()))]
    return number


def test_metrics_tell_of_queue_rounds_lanes_outbox_dead_letters_drift_and_labels(api: Api) -> None:
    with api.held.database.write() as session:
        time_now = now(session)
        session.add(OutboxEvent(project_id=api.project_id, event="x.y", payload={}, created_at=time_now - 50))
        made: dict[str, Any] = {
            "seed": 0,
            "submissions_seen": 0,
            "wanted": 1,
            "chosen": 1,
            "shortfalls": [],
            "audit": {},
        }
        for number, seconds in ((1, 9.0), (2, 1.5)):
            session.add(
                Batch(
                    project_id=api.project_id,
                    round=number,
                    train_s=seconds,
                    select_s=0.5,
                    selected_at=time_now - 30,
                    **made,
                )
            )
        for window, level in ((1, "act"), (2, "warn")):
            session.add(
                DriftReport(
                    project_id=api.project_id,
                    window=window,
                    reference=1,
                    first=1,
                    through=2,
                    settled=2,
                    items=2,
                    level=level,
                    findings={},
                    made_at=time_now,
                )
            )
        lanes.request(session, api.project_id, lanes.DRIFT)
    rows = [answer(), answer(submission_id="s-2", label="frud")]
    api.ask("POST", "submissions", rows, token=api.token(Scope.SUBMIT))
    found = metrics(api)
    assert value(found, "rounds", project=PROJECT) == 2
    assert value(found, "round_seconds", project=PROJECT, part="train") == 1.5
    assert 25 < value(found, "batch_age_seconds", project=PROJECT) < 90
    assert value(found, "drift_level", project=PROJECT) == 2
    assert value(found, "lane_lag", project=PROJECT, lane="drift") == 1
    assert value(found, "lane_lag", project=PROJECT, lane="dispatch") == 0
    assert value(found, "lane_set_aside", project=PROJECT, lane="drift") == 0
    assert value(found, "labels", project=PROJECT) == value(found, "submissions", project=PROJECT) == 1
    assert value(found, "dead_letters", project=PROJECT) == 1
    assert value(found, "http_requests_total", route="/v1/projects/{project}/submissions", status="200") == 1


def test_the_outbox_lags_by_what_is_not_published_yet(database: Database, settings: Settings) -> None:
    with served(database, settings) as api:  # no Redis: nothing can be published
        with database.write() as session:
            emit(session, Event.ITEMS_ADDED, project_id=api.project_id)
        before = metrics(api)
        assert value(before, "outbox_events") >= 2
        time.sleep(0.05)
        assert value(metrics(api), "outbox_lag_seconds") > value(before, "outbox_lag_seconds") > 0


def test_senders_can_make_up_neither_metrics_nor_labels(api: Api) -> None:
    token = api.token(Scope.ADMIN)
    for number in range(5):
        api.ask("GET", f"/v1/projects/made-up-{number}/status", token=token)
        api.ask("GET", f"/made-up-{number}", token=token)
    text = api.ask("GET", "/metrics", token=token).text
    assert "made-up" not in text
    assert re.search(r'http_requests_total\{route="none",status="404"\} 5\.0', text)


def test_a_lost_database_is_told_by_health_and_by_every_route_in_the_one_shape(
    database: Database, settings: Settings
) -> None:
    with served(database, settings) as api:
        token = api.token(Scope.ADMIN)
        assert api.ask("GET", "status", token=token).status_code == 200
        database.close()
        lost = Database(f"sqlite:///{settings.folder / 'nowhere' / 'x.db'}")
        database.engine = lost.engine
        health = api.ask("GET", "/health", token=None)
        assert (health.status_code, health.json()["status"]) == (503, "no database")
        for method, path, body in (
            ("GET", "status", None),
            ("POST", "submissions", answer()),
            ("GET", "/metrics", None),
        ):
            response = api.ask(method, path, body, token=token)
            assert response.status_code == 503, response.text
            assert int(response.headers["Retry-After"]) >= 1
            assert response.json()["error"]["where"] == "database"
            assert "nowhere" not in response.text
