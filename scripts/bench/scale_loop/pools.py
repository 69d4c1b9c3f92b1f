"""The made-up pools that rounds run on: on SQLite a copy of one that may be kept, on PostgreSQL one made there."""

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlmodel import func, select

from scripts.bench.latency_loop import make_pool
from shared.database import open_database
from shared.errors import InvalidInputError
from shared.settings import Settings, load_settings
from shared.tables import Project


@dataclass(frozen=True)
class Shape:
    """What a pool is made of.

    Attributes:
        items: How many.
        classes: How many.
        labels: Of the first so many items.
        batch: Items a round chooses.
    """

    items: int
    classes: int
    labels: int
    batch: int

    @classmethod
    def of(cls, given: argparse.Namespace, items: int) -> "Shape":
        """As the arguments ask for it."""
        return cls(items, given.classes, given.labels, given.batch)


@contextmanager
def place(shape: Shape, kept: Path | None) -> Iterator[Path]:
    """A scratch folder whose `run` is the data folder of a worker that knows nothing of the pool yet.

    Args:
        shape: Of the pool.
        kept: Folder in which pools on SQLite stay for the next run; None makes them anew.

    Raises:
        InvalidInputError: DATABASE_URL names a database that is not empty.
    """
    settings = load_settings().model_copy(update={"redis_url": None})
    with TemporaryDirectory(prefix="quietcorner-bench-") as name:
        scratch = Path(name)
        if settings.database_url is not None:
            _fill(settings.model_copy(update={"data_dir": scratch / "making"}), shape)
            (scratch / "run").mkdir()
        else:
            pool = (kept or scratch) / f"{shape.items}-{shape.classes}-{shape.labels}-{shape.batch}"
            if not pool.exists():
                _make(settings, pool, shape)
            shutil.copytree(pool, scratch / "run")
        yield scratch


def _make(settings: Settings, pool: Path, shape: Shape) -> None:
    unfinished = pool.with_name(pool.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _fill(settings.model_copy(update={"data_dir": unfinished}), shape)
    unfinished.replace(pool)


def _fill(settings: Settings, shape: Shape) -> None:
    database = open_database(settings)
    with database.read() as session:
        projects = session.exec(select(func.count()).select_from(Project)).one()
    if projects:
        raise InvalidInputError("DATABASE_URL: this bench wants an empty database, and one size of pool a database")
    make_pool(database, items=shape.items, classes=shape.classes, labels=shape.labels, batch=shape.batch, seed=0)
    database.close()
