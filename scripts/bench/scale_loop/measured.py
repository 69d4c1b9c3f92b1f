"""One process that runs rounds as a worker does, and tells what they took. Started by `scripts/bench/scale`."""

import argparse
import gc
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlmodel import Session, col, func, select

from scripts.bench.latency_loop import DIMENSION, NAME, Made, draw_classes, message, store_part
from scripts.bench.scale_loop import handed
from scripts.bench.scale_loop.limits import limits
from scripts.bench.scale_loop.memory import Peak
from scripts.bench.scale_loop.watched import Asked, Watch, profile
from shared import lanes
from shared.database import Database, open_database
from shared.project import ProjectConfig
from shared.repository.projects import read_config
from shared.settings import Settings, load_settings
from shared.streams import connect
from shared.tables import Assignment, AssignmentState, Item, Project
from workers.context import Context
from workers.intake.answers import take_answers
from workers.selection.tasks import conduct_round
from workers.training import classifier

TRUTH = "truth.npy"
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Extras:
    """What is measured after the rounds.

    Attributes:
        hand_over: Folder for what peers are given: the choice of the last round; None where there are none.
        seeds: How often that choice is made again, by another seed each time.
        profiled: Whether one more round is looked into.
        more: Items that come then, of which the worker has to learn.
    """

    hand_over: Path | None = None
    seeds: int = 0
    profiled: bool = False
    more: int = 0


class Silent(Context):
    """A worker's connections; what is put into the outbox stays there, since nobody listens."""

    def relay(self) -> None:
        """Publish nothing."""


@dataclass(frozen=True)
class Worker:
    """A process that runs rounds of a made-up pool.

    Attributes:
        held: Its connections.
        project_id: The pool's project.
        config: Likewise.
        true: (n,) int64, the class of each item, in the order in which they were made.
    """

    held: Context
    project_id: int
    config: ProjectConfig
    true: NDArray[np.int64]

    def round(self, watch: Watch) -> dict[str, Any]:
        """Run a round: seconds of each step by the clock, `total_s`, and `cpu_s` and `cpu` of the processor."""
        self._request()
        gc.collect()
        with structlog.testing.capture_logs() as logs, watch.watching():
            started = time.perf_counter()
            conduct_round(self.held, self.project_id, asked=True)
            total_s = time.perf_counter() - started
        done = next(entry for entry in logs if entry["event"] == "round.done")
        steps = {name: done[name] for name in done if name.endswith("_s")}
        cpu = watch.steps
        return steps | {"total_s": round(total_s, 3), "cpu_s": round(sum(cpu.values()), 3), "cpu": cpu}

    def profiled_round(self) -> list[dict[str, Any]]:
        """Run a round and look into it, see `watched.profile`."""
        self._request()
        with structlog.testing.capture_logs():
            return profile(lambda: conduct_round(self.held, self.project_id, asked=True))

    def answer(self, name: str) -> list[str]:
        """Answer all open items rightly, in submissions of this name; the items in the order of their ranks."""
        with self.held.database.write() as session:
            item_ids = _open_items(session, self.project_id)
            made = Made(self.project_id, self.config, self._truth(item_ids))
            answers = [message(made, item_id, f"{name}-{item_id}") for item_id in item_ids]
            take_answers(session, project_id=self.project_id, messages=answers, origin="bench")
        return item_ids

    def learn_of(self, more: int) -> dict[str, float]:
        """Seconds until so many new items and their vectors, which others stored, are part of the kept pool."""
        self._store(more)
        started, worked = time.perf_counter(), time.process_time()
        with self.held.database.read() as session:
            pool = self.held.pool(session, self.project_id, self.config)
        took = {"clock_s": time.perf_counter() - started, "cpu_s": time.process_time() - worked}
        if len(pool) != len(self.true) + more:
            raise RuntimeError(f"the pool has {len(pool)} items after {more} came to {len(self.true)}")
        return {"items": more} | {name: round(value, 3) for name, value in took.items()}

    def hand_over(self, asked: Asked, folder: Path, *, seeds: int) -> list[list[int]]:
        """Write what peers are given for a choice that was made; positions of the items that it gets by each seed."""
        pool = asked.pool
        handed.store(folder, pool, classifier.probabilities(asked.model, pool.features, pool.rows))
        np.save(folder / TRUTH, self.true[[_row(item_id) for item_id in pool.item_ids]])
        plans = [replace(asked.plan, number=asked.plan.number + seed) for seed in range(seeds)]
        return [[choice.position for choice in asked.again(plan).choices] for plan in plans]

    def _truth(self, item_ids: Sequence[str]) -> dict[str, str]:
        return {item_id: self.config.classes[self.true[_row(item_id)]] for item_id in item_ids}

    def _request(self) -> None:
        with self.held.database.write() as session:
            lanes.request(session, self.project_id, lanes.ROUND)

    def _store(self, more: int) -> None:
        rng = np.random.default_rng(more)
        for start in range(0, more, _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, more)) + len(self.true)
            vectors = rng.normal(size=(len(rows), DIMENSION))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            store_part(self.held.database, self.project_id, rows, vectors, rng)


def run_rounds(
    settings: Settings, *, rounds: int, extras: Extras | None = None, started_at: float | None = None
) -> dict[str, Any]:
    """Run rounds, each after all items of the one before were answered.

    Args:
        settings: Of the worker.
        rounds: How many; the first is that of a worker that knows nothing.
        extras: What is measured beside.
        started_at: When the process was started, in seconds since 1970.

    Returns:
        `rounds`: see `Worker.round`; `items`; `own_mib` and `all_mib` at their peak; `batches`, a SHA-256 of the ids of
        all chosen items in the order of their ranks; `limits`, see `scripts.bench.scale_loop.limits`; `ready_s` from
        the start of the process to its first round; what the extras ask for as `chosen`, `profile` and `more`.
    """
    extras = extras or Extras()
    worker = _worker(settings)
    peak, told, chosen = Peak(), list[dict[str, Any]](), hashlib.sha256()
    ready_s = 0.0 if started_at is None else round(time.time() - started_at, 3)
    found: dict[str, Any] = {}
    for number in range(rounds):
        watch = Watch(keep=extras.hand_over is not None and number == rounds - 1)
        with peak.watching():
            told.append(worker.round(watch))
        chosen.update(json.dumps(worker.answer(str(number))).encode())
        if watch.asked and extras.hand_over:
            found["chosen"] = worker.hand_over(watch.asked, extras.hand_over, seeds=extras.seeds)
    if extras.profiled:
        found["profile"] = worker.profiled_round()
    found["limits"] = limits(settings.folder, worker.config)
    if extras.more:
        found["more"] = worker.learn_of(extras.more)
    return {
        "items": len(worker.true),
        "ready_s": ready_s,
        "rounds": told,
        "own_mib": round(peak.own_mib),
        "all_mib": round(peak.all_mib),
        "batches": chosen.hexdigest()[:16],
        **found,
    }


def _open_items(session: Session, project_id: int) -> list[str]:
    statement = (
        select(Item.item_id)
        .join(Assignment, col(Assignment.item) == col(Item.id))
        .where(col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.OPEN)
        .order_by(col(Assignment.rank))
    )
    return list(session.exec(statement).all())


def _row(item_id: str) -> int:
    """Which of the made items this is."""
    return int(item_id.removeprefix("item-"))


def _worker(settings: Settings) -> Worker:
    """A worker that has its connections and knows nothing of the pool."""
    database = open_database(settings)
    project_id, config, items = _project(database)
    true = draw_classes(np.random.default_rng(config.seed), items=items, classes=len(config.classes))
    return Worker(Silent(settings, database, connect(settings)), project_id, config, true)


def _project(database: Database) -> tuple[int, ProjectConfig, int]:
    with database.read() as session:
        project = session.exec(select(Project).where(col(Project.name) == NAME)).one()
        items = session.exec(select(func.count()).select_from(Item).where(col(Item.project_id) == project.id)).one()
        return project.id, read_config(project.config), items


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--hand-over", type=Path)
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--more", type=int, default=0)
    parser.add_argument("--started-at", type=float)
    given = parser.parse_args()
    # What a worker takes by itself: no other one helps it.
    alone = {"data_dir": given.folder, "redis_url": None, "shared_items": sys.maxsize}
    settings = load_settings().model_copy(update=alone)
    extras = Extras(given.hand_over, given.seeds, given.profile, given.more)
    print(json.dumps(run_rounds(settings, rounds=given.rounds, extras=extras, started_at=given.started_at)))


if __name__ == "__main__":
    main()
