"""Submissions a second, and how long each sender waits, while rounds run: over HTTP and Redis.

Real Redis, real SQLite, and PostgreSQL as well where DATABASE_URL names one that is empty; real worker processes and
the HTTP API, started as `quietcorner up` starts them. Only the vectors are made up. Everything runs on this machine,
the annotators included, and ends by itself.
"""

import argparse
import asyncio
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from sqlmodel import col, func, select

from scripts.bench.latency_loop import NAME, Made, make_pool
from scripts.bench.load_loop.clients import Connection, Noted, Pace, over_http, over_redis, takes_tasks
from scripts.bench.machine import free_port, machine
from shared.database import Database, open_database
from shared.project import BatchTrigger
from shared.repository.projects import store_config
from shared.repository.tokens import create_token
from shared.settings import Settings, load_settings
from shared.tables import Assignment, AssignmentState, Batch, Project
from shared.tokens import Scope
from shared.urls import sqlite_url
from workers.app import DRIFT, INTAKE, TRAINING
from workers.supervisor import plan, redis_server
from workers.supervisor.command import Command
from workers.supervisor.processes import Children

console = Console(stderr=True)

_START_S = 60.0
_WARM_S = 5.0
_LOOK_S = 0.5
# Of all annotators, those who take tasks from the queue and answer them; each about so often.
_TASK_SHARE, _TASK_EACH_S = 0.1, 4.0


def main() -> None:
    """Measure on each database and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench/load", description=__doc__)
    parser.add_argument("--annotators", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1_000.0, help="submissions a second, of all annotators together")
    parser.add_argument("--redis", type=float, default=0.1, help="the part of them that goes over Redis")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="on one of the two")
    parser.add_argument("--items", type=int, default=25_000)
    parser.add_argument("--batch", type=int, default=200)
    given = parser.parse_args()
    found = [measure(settings, given) for settings in databases(given.only)]
    print(json.dumps(found, indent=2))


def databases(only: str | None) -> Iterator[Settings]:
    """Settings on SQLite, and on the database that DATABASE_URL names."""
    base = load_settings()
    urls: list[str | None] = [] if only == "postgresql" else [None]
    if base.database_url is not None and only != "sqlite":
        urls.append(base.database_url)
    for url in urls:
        with tempfile.TemporaryDirectory(prefix="qc-load-") as folder:
            # Said in so many words: where it says nothing, the processes go by DATABASE_URL, as all of them do.
            url_here = url or sqlite_url(Path(folder) / "quietcorner.db")
            changes = {"data_dir": Path(folder), "redis_url": None, "database_url": url_here, "http_port": free_port()}
            yield base.model_copy(update={**changes, "http_rate": 100_000.0})


def measure(settings: Settings, given: argparse.Namespace) -> dict[str, Any]:
    """One run on one database."""
    with closing(open_database(settings)) as database:
        if _projects(database):
            raise SystemExit("error: DATABASE_URL names a database with projects; give an empty one")
        made = make_pool(database, items=given.items, classes=12, labels=500, batch=given.batch, seed=0)
        with database.write() as session:  # rounds begin while there is still something to answer, as by default
            store_config(session, made.project_id, made.config.model_copy(update={"batch_trigger": BatchTrigger()}))
        token = _token(database)
        with Children(settings.folder / "logs", tell=console.print) as children:
            _start(settings, children)
            asyncio.run(_wait(settings, token, database))
            with _Watch(database, children) as watch:
                seconds, noted = asyncio.run(_load(settings, token, made, given))
            children.end()
        return _report(database, given, seconds, noted, watch)


async def _load(
    settings: Settings, token: str, made: Made, given: argparse.Namespace
) -> tuple[float, dict[str, Noted]]:
    names = [f"annotator-{number:03}" for number in range(given.annotators)]
    few = max(1, round(_TASK_SHARE * len(names)))
    on_redis = names[few : few + round(given.redis * (len(names) - few))]
    on_http = names[few + len(on_redis) :]
    address = f"http://127.0.0.1:{settings.http_port}"
    noted = {"http": Noted(), "redis": Noted(), "tasks": Noted()}
    start = time.monotonic() + 0.5
    pace = Pace(start, start + _WARM_S + given.seconds, (len(names) - few) / given.rate)
    slow = Pace(pace.start, pace.end, _TASK_EACH_S)
    answer = _answers(made)
    jobs = [over_http(address, token, NAME, name, answer, pace, noted["http"]) for name in on_http]
    jobs += [
        takes_tasks(address, token, NAME, name, made.truth.__getitem__, slow, noted["tasks"]) for name in names[:few]
    ]
    if on_redis:
        jobs.append(over_redis(settings.redis_in_force, NAME, on_redis, answer, pace, noted["redis"]))
    warm = asyncio.create_task(_forget_warm_up(pace, noted))
    await asyncio.gather(*jobs)
    await warm
    return time.monotonic() - pace.start - _WARM_S, noted


async def _forget_warm_up(pace: Pace, noted: dict[str, Noted]) -> None:
    await asyncio.sleep(pace.start + _WARM_S - time.monotonic())
    for one in noted.values():
        one.seconds.clear()
        one.others.clear()


def _answers(made: Made) -> Any:
    """Right answers for items drawn at random, each under a submission id of its own.

    They are of a quarter of the pool, which leaves rounds enough to choose.
    """
    numbers, items = itertools.count(), list(made.truth)[: len(made.truth) // 4]
    rng = np.random.default_rng(0)

    def answer(name: str) -> dict[str, Any]:
        item = items[rng.integers(len(items))]
        return {
            "submission_id": f"{name}-{next(numbers)}",
            "item_id": item,
            "annotator": name,
            "label": made.truth[item],
        }

    return answer


class _Watch(threading.Thread):
    """Looks at queue and memory now and then while the load runs."""

    def __init__(self, database: Database, children: Children) -> None:
        super().__init__(daemon=True)
        self._database, self._end = database, threading.Event()
        self._server = psutil.Process(children.pid(plan.HTTP))
        self._listener = psutil.Process(children.pid(plan.LISTENER))
        self.queued: list[int] = []
        self.megabytes: list[float] = []

    def __enter__(self) -> "_Watch":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        """Note what is there, until the end."""
        while not self._end.wait(_LOOK_S):
            self.queued.append(_open_assignments(self._database))
            self.megabytes.append(sum(p.memory_info().rss for p in (self._server, self._listener)) / 2**20)


def _report(
    database: Database, given: argparse.Namespace, seconds: float, noted: dict[str, Noted], watch: _Watch
) -> dict[str, Any]:
    with database.read() as session:
        rounds = session.exec(select(func.count()).select_from(Batch)).one()
    third = max(1, len(watch.megabytes) // 3)
    return {
        "command": f"scripts/bench/load --annotators {given.annotators} --seconds {given.seconds:g} "
        f"--rate {given.rate:g} --redis {given.redis:g} --items {given.items} --batch {given.batch}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "database": database.url.partition(":")[0],
        "offered_per_s": given.rate,
        "accepted_per_s": round(sum(len(one.seconds) for one in noted.values()) / seconds, 1),
        **{way: _latency(noted[way].seconds) for way in ("http", "redis")},
        "not_accepted": {way: dict(noted[way].others) for way in ("http", "redis")},
        "tasks_answered": noted["tasks"].tasks,
        "queue_found_empty": noted["tasks"].empty + sum(not queued for queued in watch.queued),
        "fewest_queued": min(watch.queued),
        "rounds": rounds,
        "megabytes_first_and_last_third": [
            round(float(np.mean(part))) for part in (watch.megabytes[:third], watch.megabytes[-third:])
        ],
    }


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"submissions": len(seconds), "p50_ms": round(1e3 * p50, 1), "p99_ms": round(1e3 * p99, 1)}


def _start(settings: Settings, children: Children) -> None:
    children.start(Command(redis_server.NAME, redis_server.prepare(settings), serves_others=True))
    redis_server.wait_until_ready(settings, is_alive=lambda: children.pid(redis_server.NAME) is not None)
    for command in plan.commands(settings, (INTAKE, TRAINING, DRIFT)):
        children.start(command)


async def _wait(settings: Settings, token: str, database: Database) -> None:
    """Until the HTTP API answers, and a first batch is on the queue."""
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            status, _ = await Connection(f"http://127.0.0.1:{settings.http_port}", token).post("/v1/x", {})
            if status and _open_assignments(database):
                return
        except OSError:
            pass
        await asyncio.sleep(0.2)
    raise SystemExit(f"error: not ready within {_START_S:.0f} s; see the logs in the data folder")


def _token(database: Database) -> str:
    with database.write() as session:
        return create_token(session, name="bench", scopes=[Scope.ADMIN], project_id=None, lasts_s=None, who="bench")[1]


def _projects(database: Database) -> int:
    with database.read() as session:
        return session.exec(select(func.count()).select_from(Project)).one()


def _open_assignments(database: Database) -> int:
    with database.read() as session:
        statement = select(func.count()).select_from(Assignment).where(col(Assignment.state) == AssignmentState.OPEN)
        return session.exec(statement).one()


if __name__ == "__main__":
    main()
