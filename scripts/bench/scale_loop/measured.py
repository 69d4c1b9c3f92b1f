"""One process that runs rounds as a worker does, and tells what they took. Started by `scripts/bench/scale`."""

import argparse
import gc
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from sqlmodel import Session, col, func, select

from scripts.bench.latency_loop import NAME, Made, draw_classes, message
from scripts.bench.scale_loop.limits import limits
from shared import lanes
from shared.database import Database, open_database
from shared.project import ProjectConfig
from shared.settings import Settings, load_settings
from shared.streams import connect
from shared.tables import Assignment, AssignmentState, Item, Project
from workers.context import Context
from workers.intake.answers import take_answers
from workers.selection.tasks import conduct_round

_STATUS = Path("/proc/self/status")
_EVERY_S = 0.02


class Silent(Context):
    """A worker's connections; what is put into the outbox stays there, since nobody listens."""

    def relay(self) -> None:
        """Publish nothing."""


class Peak:
    """The largest parts of this process's memory while it watches.

    Attributes:
        own_mib: memory of its own, which the system can't drop.
        all_mib: with the pages of mapped files that are in use, which it can.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.own_mib = self.all_mib = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the memory every few milliseconds."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_EVERY_S):
                self._look()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._look()

    def _look(self) -> None:
        found = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        own, all_ = (int(found[name].split()[0]) / 1024 for name in ("RssAnon", "VmRSS"))
        self.own_mib, self.all_mib = max(self.own_mib, own), max(self.all_mib, all_)


def run_rounds(settings: Settings, *, rounds: int) -> dict[str, Any]:
    """Run rounds, each after all items of the one before were answered.

    Returns:
        `rounds`: of each its steps, `total_s`, and `cpu_s` of the processor, which a busy machine does not lengthen as
        much, in seconds; `items`; `own_mib` and `all_mib` at their peak;
        `batches`, a SHA-256 of the ids of all chosen items in the order of their ranks; `limits`, see
        `scripts.bench.scale_loop.limits`.
    """
    database = open_database(settings)
    held = Silent(settings, database, connect(settings))
    made = _made(database)
    peak, told, chosen = Peak(), list[dict[str, Any]](), hashlib.sha256()
    for number in range(rounds):
        with database.write() as session:
            lanes.request(session, made.project_id, lanes.ROUND)
        gc.collect()
        with structlog.testing.capture_logs() as logs, peak.watching():
            started, worked = time.perf_counter(), time.process_time()
            conduct_round(held, made.project_id, asked=True)
            took = {"total_s": time.perf_counter() - started, "cpu_s": time.process_time() - worked}
        done = next(entry for entry in logs if entry["event"] == "round.done")
        steps = {name: done[name] for name in done if name.endswith("_s")}
        told.append(steps | {name: round(time_s, 3) for name, time_s in took.items()})
        with database.write() as session:
            open_ = _open_items(session, made.project_id)
            chosen.update(json.dumps(open_).encode())
            answers = [message(made, item_id, f"{number}-{item_id}") for item_id in open_]
            take_answers(session, project_id=made.project_id, messages=answers, origin="bench")
    return {
        "items": len(made.truth),
        "rounds": told,
        "own_mib": round(peak.own_mib),
        "all_mib": round(peak.all_mib),
        "batches": chosen.hexdigest()[:16],
        "limits": limits(settings.folder, made.config),
    }


def _open_items(session: Session, project_id: int) -> list[str]:
    statement = (
        select(Item.item_id)
        .join(Assignment, col(Assignment.item) == col(Item.id))
        .where(col(Assignment.project_id) == project_id, col(Assignment.state) == AssignmentState.OPEN)
        .order_by(col(Assignment.rank))
    )
    return list(session.exec(statement).all())


def _made(database: Database) -> Made:
    """The pool, and what its items are."""
    with database.read() as session:
        project = session.exec(select(Project).where(col(Project.name) == NAME)).one()
        items = session.exec(select(func.count()).select_from(Item).where(col(Item.project_id) == project.id)).one()
    config = ProjectConfig.model_validate(project.config)
    true = draw_classes(np.random.default_rng(config.seed), items=items, classes=len(config.classes)).tolist()
    truth = {f"item-{row}": config.classes[column] for row, column in enumerate(true)}
    return Made(project.id, config, truth)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    given = parser.parse_args()
    settings = load_settings().model_copy(update={"data_dir": given.folder, "redis_url": None})
    print(json.dumps(run_rounds(settings, rounds=given.rounds)))


if __name__ == "__main__":
    main()
