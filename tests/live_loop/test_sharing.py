"""Two embedding workers share the texts of one project, and store what one alone would."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlmodel import col, select

from scripts.tickets import tickets
from shared.repository.pools import space_of
from shared.tables import VectorSegment
from shared.vectors import Keys, Vectors, text_key
from tests.live import ROOT, LiveProject, Running, make_project, wait_for
from workers.embedding.encoders import PACKAGED, load_encoder
from workers.embedding.segments import RUN

pytestmark = pytest.mark.live

RUNS = 3
_DONE = re.compile(r"part\.done +part=(\d+)")
# The first task that a worker ended after it had begun to load the encoder.
_LOADED = re.compile(r"Loading SentenceTransformer.*Task embedding\.\S+ (succeeded|raised)", re.DOTALL)


@contextmanager
def another_worker(running: Running, log: Path) -> Iterator[psutil.Process]:
    """One more embedding worker for the length of the block, as on another machine: with a data folder of its own."""
    settings = running.place.settings
    environment = running.place.environment | {
        "QUIETCORNER_DATA_DIR": str(log.parent / "data"),
        "DATABASE_URL": settings.sql_url,
        "REDIS_URL": settings.redis_in_force,
    }
    command = [sys.executable, "-m", "workers.cli", "worker", "--queues", "embedding"]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_for(lambda: " ready." in log.read_text() or process.poll() is not None, what="another worker")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def test_two_workers_share_the_texts_of_a_project_and_store_what_one_would(running: Running, tmp_path: Path) -> None:
    rows = [ticket.row() for ticket in tickets((RUNS + 2) * RUN, seed=8)]
    logs = logs_of(running), tmp_path / "worker.log"
    with another_worker(running, logs[1]):
        let_both_load(running, tmp_path, logs, rows[: 2 * RUN])
        earlier = parts_done(logs)
        project = make(running, tmp_path, rows[2 * RUN :], name="shared")
        wait_for(lambda: is_embedded(project), what="all vectors", limit_s=120)
    done = list(parts_done(logs) - earlier)
    assert 0 < len(done) < RUNS
    assert has_vectors_of_one_worker(project, rows, run=done[0])


def logs_of(running: Running) -> Path:
    """What the embedding worker that runs all along says."""
    return running.place.settings.folder / "logs" / "embedding.log"


def let_both_load(running: Running, folder: Path, logs: Sequence[Path], rows: Sequence[dict[str, Any]]) -> None:
    """Give two workers texts, one to hold them and one to help, so that each has the encoder in memory afterwards."""
    project = make(running, folder, rows, name=f"first-{folder.name}")
    wait_for(lambda: all(_LOADED.search(log.read_text()) for log in logs), what="both to have the encoder", limit_s=120)
    wait_for(lambda: is_embedded(project), what="all vectors", limit_s=120)


def make(running: Running, folder: Path, rows: Sequence[dict[str, Any]], *, name: str) -> LiveProject:
    """A new project with these texts."""
    return make_project(running.place, folder, 'classes = ["praise", "fraud"]', rows, name=name)


def is_embedded(project: LiveProject) -> bool:
    """Whether all its texts have vectors."""
    done = "SELECT 1 FROM lane JOIN me ON me.id = project_id WHERE room = 'embed' AND completed = requested"
    return bool(project.query(done))


def has_vectors_of_one_worker(project: LiveProject, rows: Sequence[dict[str, Any]], *, run: int) -> bool:
    """Whether the vectors of one run are those that this process makes of its texts, byte for byte."""
    keys, vectors = stored(project)
    part = slice(run * RUN, (run + 1) * RUN)
    texts = {text_key(text): text for text in (str(row["text"]) for row in rows)}
    encoder = load_encoder(PACKAGED, threads=project.place.settings.compute_threads)
    alone = encoder.encode([texts[key] for key in keys[part].tolist()])
    return np.array_equal(vectors[part], alone.astype(np.float16))


def parts_done(logs: Sequence[Path]) -> Counter[int]:
    """Numbers of the parts that workers did for each other."""
    return Counter(int(number) for log in logs for number in _DONE.findall(log.read_text()))


def stored(project: LiveProject) -> tuple[Keys, Vectors]:
    """Text keys (n,) and vectors (n, d) of a project, in the order in which they were encoded."""
    ((number,),) = project.query("SELECT id FROM me")
    database = project.place.database
    with database.read() as session:
        statement = select(VectorSegment).where(VectorSegment.space == space_of(number))
        segments = list(session.exec(statement.order_by(col(VectorSegment.id))))
    database.close()
    keys = np.frombuffer(b"".join(one.keys for one in segments), dtype="<i8").astype(np.int64)
    matrix = np.frombuffer(b"".join(one.vectors for one in segments), dtype="<f2").astype(np.float16)
    return keys, matrix.reshape(len(keys), -1)
