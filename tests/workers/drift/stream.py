"""A project whose items come when a test says so, with the vectors of a made-up world."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sqlmodel import Session, col, select

from shared import lanes
from shared.database import Database
from shared.drift_options import Drift
from shared.project import ProjectConfig
from shared.repository import pools
from shared.repository.embedding import use_encoder
from shared.repository.items import NewItem, insert_items
from shared.repository.projects import all_projects, create_project
from shared.settings import Settings
from shared.streams import connect
from shared.vectors import append_segment, text_key
from tests.workers.drift.world import EVERYTHING, NEAR, Texts, draw, sends_only
from workers.context import Context
from workers.drift import tasks

DRIFT = Drift(reference_items=400, window_items=100)


class Stream:
    """A project whose items come when a test says so."""

    def __init__(
        self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, drift: Drift = DRIFT
    ) -> None:
        self.held = Context(settings, database, connect(settings))
        self.config = ProjectConfig(classes=("common", "rare"), drift=drift)
        monkeypatch.setattr(Context, "relay", lambda _: None)
        monkeypatch.setattr(tasks, "context", lambda: self.held)
        with database.write() as session:
            assert create_project(session, "p", self.config)
            [self.project_id] = [project.id for project in all_projects(session)]
        self._number = 0

    def arrive(
        self,
        texts: Texts,
        *,
        times: Sequence[float | None] | None = None,
        arrived: float = 0.0,
        encoder: str = "e",
        embedded: bool = True,
    ) -> None:
        """Bring in some items, each with a text of its own."""
        names = [f"item {self._number + number:05}" for number in range(len(texts))]
        self._number += len(texts)
        keys = [text_key(name) for name in names]
        items = [
            NewItem(name, name, source, None, time, key, key)
            for name, source, time, key in zip(names, texts.sources, times or [None] * len(texts), keys, strict=True)
        ]
        draws = np.random.default_rng(self._number).random(len(items)).tolist()
        with self.held.database.write() as session:
            insert_items(
                session, self.project_id, items=items, draws=draws, rule_scores=[{}] * len(items), time=arrived
            )
            if embedded:
                self.embed(session, keys, texts, encoder)

    def embed(self, session: Session, keys: list[int], texts: Texts, encoder: str) -> None:
        append_segment(
            session,
            space=pools.space_of(self.project_id),
            encoder=encoder,
            keys=np.array(keys, dtype=np.int64),
            vectors=texts.vectors,
        )
        use_encoder(session, self.project_id, encoder)

    def watch(self) -> None:
        with self.held.database.write() as session:
            lanes.request(session, self.project_id, lanes.DRIFT)
        tasks.watch(project_id=self.project_id)

    def rows(self, table: type[Any]) -> list[Any]:
        with self.held.database.read() as session:
            return list(session.exec(select(table).order_by(col(table.id))))


def usual(count: int, *, seed: int) -> Texts:
    """Texts of the topics that are there from the beginning."""
    return draw(EVERYTHING, count, seed=seed, first_id=10_000 * seed)


def new(count: int, *, seed: int) -> Texts:
    """Texts of a topic that is new."""
    return draw(sends_only(NEAR, "mail"), count, seed=seed, first_id=10_000 * seed)
