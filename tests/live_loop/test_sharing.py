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
_HELPED = r"Task embedding\.encode_part\S* (succeeded)"
_DONE = r"part\.done +part=(\d+)"


@contextmanager
def another_worker(running: Running, log: Path) -> Iterator[None]:
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
        yield
    finally:
        process.terminate()
        process.wait(30)


def test_two_workers_share_the_texts_of_a_project_and_store_what_one_would(running: Running, tmp_path: Path) -> None:
    rows = [ticket.row() for ticket in tickets((RUNS + 2) * RUN, seed=8)]
    logs = running.place.settings.folder / "logs" / "embedding.log", tmp_path / "worker.log"
    with another_worker(running, logs[1]):
        before = said(logs, _HELPED).total()
        embed(running, tmp_path, rows[: 2 * RUN], name="first")
        wait_for(lambda: said(logs, _HELPED).total() > before, what="both to have loaded the encoder", limit_s=120)
        earlier = said(logs, _DONE)
        project = embed(running, tmp_path, rows[2 * RUN :], name="shared")
    done = [int(number) for number in said(logs, _DONE) - earlier]
    keys, vectors = stored(project)
    assert len(keys) > (RUNS - 1) * RUN
    assert 0 < len(done) < RUNS
    part = slice(done[0] * RUN, (done[0] + 1) * RUN)
    texts = {text_key(text): text for text in (str(row["text"]) for row in rows)}
    encoder = load_encoder(PACKAGED, threads=running.place.settings.compute_threads)
    alone = encoder.encode([texts[key] for key in keys[part].tolist()])
    assert np.array_equal(vectors[part], alone.astype(np.float16))


def embed(running: Running, folder: Path, rows: Sequence[dict[str, Any]], *, name: str) -> LiveProject:
    """A new project whose texts all have their vectors."""
    project = make_project(running.place, folder, 'classes = ["praise", "fraud"]', rows, name=name)
    done = "SELECT 1 FROM lane JOIN me ON me.id = project_id WHERE room = 'embed' AND completed = requested"
    wait_for(lambda: project.query(done), what="all vectors", limit_s=120)
    return project


def said(logs: Sequence[Path], pattern: str) -> Counter[str]:
    """What workers said, and how often."""
    return Counter(found for log in logs for found in re.findall(pattern, log.read_text()))


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
