"""Seconds from the last submission of a burst to the next batch on the annotation queue.

Real Redis, real SQLite (or DATABASE_URL), real worker processes, started as `quietcorner up` starts them; only the
vectors are made up (clustered by class), since no text is encoded between a label and the next batch. The trigger
waits for the last answer of a batch, so that every round starts when the clock does, and a burst waits for the audit of
the last model, which else computes beside the round.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import redis
from rich.console import Console
from rich.progress import track
from sqlmodel import col, select

from scripts.bench.machine import machine
from shared.contracts import SUBMISSION_TYPE, SubmissionMessage, pack
from shared.database import Database, now, open_database, take_stock
from shared.events import Event, emit
from shared.project import BatchTrigger, ProjectConfig, Selection
from shared.repository.embedding import use_encoder
from shared.repository.items import NewItem, insert_items
from shared.repository.pools import space_of
from shared.repository.projects import create_project
from shared.settings import Settings, load_settings
from shared.streams import SUBMISSIONS, connect, tasks_key
from shared.tables import Batch, Model, Project
from shared.vectors import append_segment, text_key
from workers.app import DRIFT, INTAKE, TRAINING
from workers.intake.answers import take_answers
from workers.supervisor import plan, redis_server
from workers.supervisor.command import Command
from workers.supervisor.processes import Children

NAME = "latency"
ENCODER = "made-up"
DIMENSION = 384
_AT_ONCE = 2_000
_PATIENCE_S = 60.0

console = Console(stderr=True)


@dataclass(frozen=True)
class Made:
    """A made-up pool: items, their true class and the project."""

    project_id: int
    config: ProjectConfig
    truth: dict[str, str]


def make_pool(database: Database, *, items: int, classes: int, labels: int, batch: int, seed: int) -> Made:
    """Store `items` items with vectors, and label the first `labels` of them."""
    rng = np.random.default_rng(seed)
    names = tuple(f"class-{number:02}" for number in range(classes))
    config = ProjectConfig(
        classes=names, selection=Selection(batch_size=batch), batch_trigger=BatchTrigger(queue_below=0.0), seed=seed
    )
    with database.write() as session:
        create_project(session, NAME, config)
        project_id = session.exec(select(Project.id).where(col(Project.name) == NAME)).one()
    true = draw_classes(rng, items=items, classes=classes)
    centres = rng.normal(size=(classes, DIMENSION))
    for start in track(range(0, items, _AT_ONCE), "making the pool", console=console):
        rows = np.arange(start, min(start + _AT_ONCE, items))
        vectors = centres[true[rows]] + 2.5 * rng.normal(size=(len(rows), DIMENSION))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        store_part(database, project_id, rows, vectors, rng)
    take_stock(database)
    made = Made(project_id, config, {f"item-{row}": names[true[row]] for row in range(items)})
    with database.write() as session:
        first = [message(made, f"item-{row}", f"first-{row}") for row in range(labels)]
        take_answers(session, project_id=project_id, messages=first, origin="bench")
        emit(session, Event.ITEMS_EMBEDDED, project_id=project_id, texts=items)
    return made


def draw_classes(rng: np.random.Generator, *, items: int, classes: int) -> np.ndarray[Any, Any]:
    """(items,) the class of each item; the first that is drawn of a pool, so that its seed tells it again."""
    return rng.choice(classes, size=items, p=rng.dirichlet(np.full(classes, 0.7)))


def store_part(
    database: Database,
    project_id: int,
    rows: np.ndarray[Any, Any],
    vectors: np.ndarray[Any, Any],
    rng: np.random.Generator,
) -> None:
    """Store some items and their vectors."""
    texts = [f"made-up text number {row}" for row in rows]
    keys = [text_key(text) for text in texts]
    new = [
        NewItem(f"item-{row}", text, f"source-{row % 3}", None, None, key, key)
        for row, text, key in zip(rows.tolist(), texts, keys, strict=True)
    ]
    with database.write() as session:
        insert_items(
            session,
            project_id,
            items=new,
            draws=rng.random(len(new)).tolist(),
            rule_scores=[{}] * len(new),
            time=now(session),
        )
        append_segment(
            session,
            space=space_of(project_id),
            encoder=ENCODER,
            keys=np.array(keys, dtype=np.int64),
            vectors=vectors.astype(np.float16),
        )
        use_encoder(session, project_id, ENCODER)


def message(made: Made, item_id: str, submission_id: str, **task: int) -> SubmissionMessage:
    """The right answer for an item."""
    return SubmissionMessage(
        project=NAME, submission_id=submission_id, item_id=item_id, annotator="bench", label=made.truth[item_id], **task
    )


def measure(database: Database, client: redis.Redis, made: Made, *, rounds: int, warm: int) -> list[float]:
    """Answer batch after batch, each in one burst; the waiting times, without those of the first `warm` rounds."""
    waits: list[float] = []
    tasks = wait_for_batch(client, made)
    for number in track(range(rounds + warm), "measuring", console=console):
        if number >= warm:
            wait_until_audited(database)
        pipe = client.pipeline(transaction=False)
        for task in tasks:
            answer = message(
                made,
                task["item_id"],
                f"{number}-{task['assignment']}",
                assignment=task["assignment"],
                lease=task["lease"],
            )
            pipe.xadd(SUBMISSIONS, pack(type_=SUBMISSION_TYPE, id_=answer.submission_id, data=answer))
        pipe.execute()
        submitted = time.perf_counter()
        answered = {task["assignment"] for task in tasks}
        tasks = wait_for_batch(client, made, answered)
        waits.append(time.perf_counter() - submitted)
    return waits[warm:]


def wait_for_batch(client: redis.Redis, made: Made, answered: Collection[int] = ()) -> list[dict[str, Any]]:
    """The next whole batch on the queue."""
    end = time.perf_counter() + _PATIENCE_S
    while time.perf_counter() < end:
        entries: Any = client.xrange(tasks_key(NAME))
        tasks = [json.loads(fields[b"data"]) for _, fields in entries]
        fresh = [task for task in tasks if task["assignment"] not in answered]
        if len(fresh) >= made.config.selection.batch_size:
            return fresh
        time.sleep(0.005)
    raise SystemExit(f"error: no batch within {_PATIENCE_S:.0f} s; see the logs in the data folder")


def wait_until_audited(database: Database) -> None:
    """Wait until the quality of the newest model is measured: people take longer to label a batch than that takes."""
    end = time.perf_counter() + _PATIENCE_S
    newest = select(Model.metrics).order_by(col(Model.version).desc()).limit(1)
    while time.perf_counter() < end:
        with database.read() as session:
            if session.exec(newest).one() is not None:
                return
        time.sleep(0.1)
    raise SystemExit(f"error: no audit of the model within {_PATIENCE_S:.0f} s; see the logs in the data folder")


def report(waits: list[float], database: Database, given: argparse.Namespace) -> dict[str, Any]:
    """The figures, with what they were measured on."""
    with database.read() as session:
        batches = session.exec(select(Batch).order_by(col(Batch.round).desc()).limit(len(waits))).all()
    return {
        "command": f"scripts/bench/latency --items {given.items} --classes {given.classes} --labels {given.labels} "
        f"--batch {given.batch} --rounds {given.rounds}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "database": database.url.partition(":")[0],
        "rounds": len(waits),
        "median_s": round(statistics.median(waits), 3),
        "p95_s": round(float(np.percentile(waits, 95)), 3),
        "of_which_train_median_s": round(statistics.median(batch.train_s for batch in batches), 3),
        "of_which_select_median_s": round(statistics.median(batch.select_s for batch in batches), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="scripts/bench/latency", description=__doc__)
    parser.add_argument("--items", type=int, default=25_000)
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quietcorner-bench-") as folder:
        settings = load_settings().model_copy(update={"data_dir": Path(folder), "redis_url": None})
        database = open_database(settings)
        made = make_pool(
            database,
            items=given.items,
            classes=given.classes,
            labels=given.labels,
            batch=given.batch,
            seed=given.seed,
        )
        with Children(settings.folder / "logs", tell=console.print) as children:
            start(settings, children)
            waits = measure(database, connect(settings), made, rounds=given.rounds, warm=3)
            print(json.dumps(report(waits, database, given), indent=2))
            children.end()


def start(settings: Settings, children: Children) -> None:
    """Start Redis, the listener, beat and the workers that a round needs, as `quietcorner up` does."""
    children.start(Command(redis_server.NAME, redis_server.prepare(settings), serves_others=True))
    redis_server.wait_until_ready(settings, is_alive=lambda: children.pid(redis_server.NAME) is not None)
    for command in plan.commands(settings, (INTAKE, TRAINING, DRIFT)):
        children.start(command)


if __name__ == "__main__":
    main()
