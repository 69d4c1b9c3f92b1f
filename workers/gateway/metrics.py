"""Metrics for Prometheus: how the work goes on, by the database at the moment of the scrape, and how this server
does.
"""

import time
from collections.abc import Iterator
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlmodel import Session
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.database import Database
from shared.repository import workings
from workers.drift.levels import Level

_PREFIX = "quietcorner_"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LEVELS = {level: number for number, level in enumerate(Level)}


class Metrics:
    """What is told on /metrics."""

    def __init__(self, database: Database) -> None:
        """Begin to count."""
        self._registry = CollectorRegistry()
        self._registry.register(_Workings(database))
        self._requests = Counter(
            _PREFIX + "http_requests", "Requests answered", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            _PREFIX + "http_seconds",
            "Seconds from request to answer",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._of_route = cache(self._seconds.labels)
        self._of_answer = cache(self._requests.labels)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Note that a request was answered."""
        self._of_answer(route, str(status)).inc()
        self._of_route(route).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)


class Counted:
    """ASGI middleware that counts answers by route (not by path, of which senders can make up any number)."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def counting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.count(route, status, time.perf_counter() - began)


class _Workings(Collector):
    """Reads the database when it is asked, so that any server tells the same and a restart forgets nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Nothing beforehand: registering must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All figures of one moment."""
        with self._database.read() as session:
            yield from _collect(session)


def _collect(session: Session) -> Iterator[Metric]:
    names = workings.project_names(session)
    waiting = _gauge("queue_tasks", "Open assignments", "project", "state")
    for project, still_open, leased in workings.open_tasks(session):
        waiting.add_metric([names[project], "waiting"], still_open - leased)
        waiting.add_metric([names[project], "leased"], leased)
    yield waiting
    yield from _batches(session, names)
    lag = _gauge("lane_lag", "Runs that were asked for and are not done", "project", "lane")
    aside = _gauge("lane_set_aside", "1 where a lane is set aside since its work failed too often", "project", "lane")
    for project, room, runs, is_aside in workings.lane_lags(session):
        lag.add_metric([names[project], room], runs)
        aside.add_metric([names[project], room], is_aside)
    yield lag
    yield aside
    outbox = workings.outbox(session)
    yield _gauge("outbox_events", "Events that wait to be published", value=outbox.waiting)
    yield _gauge("outbox_lag_seconds", "How long the oldest of them has waited", value=outbox.oldest_s)
    yield _by_project("labels", "Labeled items", names, workings.labels(session))
    yield _by_project("submissions", "Submissions", names, workings.submissions(session))
    letters = _gauge("dead_letters", "Refused messages that are kept", "project")
    known = set(names.values())
    strange = 0
    for name, count in workings.dead_letters(session).items():
        if name in known:
            letters.add_metric([name], count)
        else:  # senders can make up any number of names
            strange += count
    letters.add_metric([""], strange)
    yield letters
    levels = {project: _LEVELS[Level(level)] for project, level in workings.drift_levels(session).items()}
    told = "Level of the newest drift window: " + ", ".join(f"{number} {level}" for level, number in _LEVELS.items())
    yield _by_project("drift_level", told, names, levels)


def _batches(session: Session, names: dict[int, str]) -> Iterator[Metric]:
    rounds = _gauge("rounds", "Rounds that gave a batch", "project")
    seconds = _gauge("round_seconds", "How long the newest round took", "project", "part")
    age = _gauge("batch_age_seconds", "How long ago the newest batch was chosen", "project")
    for project, batch in workings.last_batches(session).items():
        name = names[project]
        rounds.add_metric([name], batch.round)
        seconds.add_metric([name, "train"], batch.train_s)
        seconds.add_metric([name, "select"], batch.select_s)
        age.add_metric([name], batch.age_s)
    yield from (rounds, seconds, age)


def _by_project(name: str, told: str, names: dict[int, str], values: dict[int, int]) -> Metric:
    gauge = _gauge(name, told, "project")
    for project, value in values.items():
        gauge.add_metric([names[project]], value)
    return gauge


def _gauge(name: str, told: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, told, labels=labels or None, value=value)
