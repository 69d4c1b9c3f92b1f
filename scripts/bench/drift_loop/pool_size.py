"""What a window costs by the size of the pool: from the rows and vectors in the database to the report.

Time is that of the processor, as in `timing.py`.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from sqlmodel import col, select

from scripts.bench.drift_loop.streams import REFERENCE, WINDOW
from scripts.bench.latency_loop import DIMENSION, ENCODER, store_part
from scripts.bench.selection_loop.markdown import number, table
from shared.database import Database, open_database
from shared.project import ProjectConfig
from shared.repository.drift_windows import Seen, next_window
from shared.repository.pools import KeptPools
from shared.repository.projects import create_project
from shared.settings import load_settings
from shared.tables import Project
from shared.urls import sqlite_url
from workers.drift.looking import Scene, fit_reference, look_at

_AT_ONCE, _CENTRES, _WINDOWS, _TIMES = 2_000, 20, 5, 6


def time_pools(sizes: Sequence[int]) -> str:
    """A table of the median and the middle half of the newest windows of pools of so many items, each seen often."""
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="quietcorner-drift-") as folder:
            settings = load_settings().model_copy(update={"database_url": sqlite_url(Path(folder) / "pool.db")})
            database = open_database(settings)
            try:
                scene = _fill(database, size, Path(folder))
                first, later = _time_windows(database, scene, size)
            finally:
                database.close()
        low, _, high = quantiles(later, n=4)
        middle_half = f"{1e3 * low:,.1f} to {1e3 * high:,.1f}"
        rows.append([f"{size:,}", number(1e3 * median(later), 1), middle_half, number(first, 2)])
    return table(["items in the pool", "ms a window", "middle half", "s with the first, which reads the vectors"], rows)


def _fill(database: Database, size: int, folder: Path) -> Scene:
    rng, config = np.random.default_rng(0), ProjectConfig(classes=("a", "b"))
    with database.write() as session:
        create_project(session, "pool", config)
        project_id = session.exec(select(Project.id).where(col(Project.name) == "pool")).one()
    centres = rng.normal(size=(_CENTRES, DIMENSION))
    for start in range(0, size, _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, size))
        vectors = centres[rng.integers(_CENTRES, size=len(rows))] + rng.normal(size=(len(rows), DIMENSION))
        store_part(database, project_id, rows, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), rng)
    return Scene(project_id, config, ENCODER, folder, KeptPools(0))


def _time_windows(database: Database, scene: Scene, size: int) -> tuple[float, list[float]]:
    with database.read() as session:
        started = time.process_time()
        reference = fit_reference(session, scene, np.arange(1, REFERENCE + 1), through=REFERENCE)
        first, seconds = time.process_time() - started, []
    if reference is None:
        raise RuntimeError("the reference's items have no vectors")
    after = size - _WINDOWS * WINDOW
    for place in range(_WINDOWS * _TIMES + 1):
        through = after + place % _WINDOWS * WINDOW
        started = time.process_time()
        with database.read() as session:
            window = next_window(session, scene.project_id, after=Seen(through, through), items=WINDOW, hours=None)
            if window is None or look_at(session, scene, reference, window) is None:
                raise RuntimeError("the window's items have no vectors")
        seconds.append(time.process_time() - started)
    return first + seconds[0], seconds[1:]
