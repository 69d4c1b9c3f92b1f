"""The worker that holds the work, and measures how long it takes with so many to help. Started by
`scripts/bench/workers`, which has started the helpers."""

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from kombu.transport.redis import Channel
from rich.console import Console
from sqlalchemy import delete
from sqlmodel import col, select

from scripts.bench.latency_loop import NAME
from scripts.bench.scale_loop.measured import Silent
from scripts.tickets import tickets
from shared import lanes
from shared.pool import Index
from shared.project import ProjectConfig
from shared.repository.pools import encoder_in_use, space_of
from shared.repository.projects import create_project
from shared.streams import CELERY_PREFIX
from shared.tables import Project, SegmentMark, VectorSegment
from workers import hints
from workers.app import EMBEDDING, TRAINING
from workers.context import Context, context
from workers.embedding import tasks as embedding_tasks
from workers.embedding.segments import runs
from workers.intake.rows import Columns, parse_row
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.selection import scoring
from workers.selection import tasks as selection_tasks
from workers.selection.round import Score
from workers.training.classifier import LinearModel
from workers.training.splits import assign_folds
from workers.training.tuning import train

_TEXTS = "texts"
_START_S = 300.0

Run = dict[str, Any]

console = Console(stderr=True, highlight=False)


class Seats:
    """Hints to helpers, of which only so many are sent as are to help; a seat is passed on and never more."""

    def __init__(self) -> None:
        """Nobody helps."""
        self.left = 0

    def call(self, task: str, seats: int, named: Mapping[str, object]) -> None:
        """As `workers.hints.call_helpers`."""
        sent, self.left = min(seats, self.left), max(0, self.left - seats)
        if sent:
            hints.call_helpers(task, sent, named)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--texts", type=int, required=True)
    parser.add_argument("--items", type=int, required=True)
    given = parser.parse_args()
    found: dict[str, list[Run]] = {}
    usual, seats = context(), Seats()
    # No helper is to find work of its own.
    held = Silent(usual.settings, usual.database, usual.redis)
    measure = partial(_measure, held, seats, given.workers, given.rounds)
    for tasks in (embedding_tasks, selection_tasks):
        tasks.context = lambda: held  # type: ignore[attr-defined] # the only way to
        tasks.call_helpers = seats.call  # type: ignore[attr-defined] # have others here
    if given.texts:
        console.print(f"encoding {given.texts:,} texts")
        found["encoding"] = measure(*_encoding(held, given.texts), task="encode_part")
    if given.items:
        console.print(f"scoring {given.items:,} items")
        with _pool(held) as (score, model, matrix, rows):
            parts = -(-len(rows) // scoring.PART)

            def run() -> str:
                return hashlib.sha256(score(model, matrix, rows).tobytes()).hexdigest()

            found["scoring"] = measure(run, len(rows), parts, task="score_part")
    print(json.dumps(found))


def _measure(
    held: Context,
    seats: Seats,
    workers: Sequence[int],
    rounds: int,
    run: Callable[[], str],
    count: int,
    parts: int,
    *,
    task: str,
) -> list[Run]:
    """All numbers of workers in turn, round by round; first until each helper has done its first part."""
    logs = [held.settings.folder / "logs" / f"helper-{place}.log" for place in range(1, max(workers))]
    end = time.monotonic() + _START_S
    while not all("part.done" in log.read_text().partition(f"{task}[")[2] for log in logs):
        seats.left = len(logs)
        run()
        if time.monotonic() > end:
            raise SystemExit(f"error: not every helper did a part within {_START_S:.0f} s; see their logs")
    found = []
    for _ in range(rounds):
        for number in workers:
            _wait_for_calm(held)
            seats.left = number - 1
            with structlog.testing.capture_logs() as said:
                began, worked = time.perf_counter(), time.process_time()
                digest = run()
                took = {"clock_s": time.perf_counter() - began, "cpu_s": time.process_time() - worked}
            by_others = sum(one["by_others"] for one in said if one["event"] == "work.shared")
            run_of = {"workers": number, "count": count, "parts": parts, "by_others": by_others, "digest": digest}
            found.append({**run_of, **took})
    return found


def _wait_for_calm(held: Context) -> None:
    """Until no helper is at anything, and no hint lies about from the run before."""
    queues = [key for queue in (EMBEDDING, TRAINING) for key in (queue, f"{queue}{Channel.sep}{hints.LAST}")]
    while held.redis.exists(CELERY_PREFIX + "unacked", *(CELERY_PREFIX + name for name in queues)):
        time.sleep(0.1)


def _encoding(held: Context, count: int) -> tuple[Callable[[], str], int, int]:
    """What encodes a project's texts anew, how many there are, and how many runs."""
    config = ProjectConfig(classes=("praise", "fraud"))
    with held.database.write() as session:
        create_project(session, _TEXTS, config)
        project_id = session.exec(select(Project.id).where(col(Project.name) == _TEXTS)).one()
    texts = dict.fromkeys(ticket.text for ticket in tickets(2 * count, seed=0))
    rows = [{"id": f"t{place}", "text": text} for place, text in enumerate([*texts][:count])]
    items = [parse_row(row, columns=Columns(), derived=Counter()) for row in rows]
    store_items(held.database, project_id, items, rules=Rules(()), seed=0)
    own = col(VectorSegment.space) == space_of(project_id)

    def run() -> str:
        with held.database.write() as session:
            segments = select(VectorSegment.id).where(own)
            session.connection().execute(delete(SegmentMark).where(col(SegmentMark.segment).in_(segments)))
            session.connection().execute(delete(VectorSegment).where(own))
            lanes.request(session, project_id, lanes.EMBED)
        embedding_tasks.embed_pending(project_id=project_id)
        with held.database.read() as session:
            stored = session.exec(select(VectorSegment.vectors).where(own).order_by(col(VectorSegment.id)))
            return hashlib.sha256(b"".join(stored)).hexdigest()

    return run, len(items), len(runs(len(items)))


@contextmanager
def _pool(held: Context) -> Iterator[tuple[Score, LinearModel, Any, Index]]:
    """What scores the made-up pool as a round does, and what it is called with."""
    with held.database.read() as session:
        project_id = session.exec(select(Project.id).where(col(Project.name) == NAME)).one()
    with held.lane(project_id, lanes.ROUND) as claimed:
        _, config = held.project(project_id)
        with held.database.read() as session:
            pool, encoder = held.pool(session, project_id, config), encoder_in_use(session, project_id) or ""
        pool = replace(pool, folds=assign_folds(pool, seed=config.seed))
        model = train(pool, config, previous=None)
        if claimed is None or model is None:
            raise SystemExit("error: the pool has no labels to train on")
        yield selection_tasks._scoring(held, claimed, pool, encoder), model, pool.features, pool.rows


if __name__ == "__main__":
    main()
