"""A project of made-up texts without worker processes: embedded, answered and run round by round at a test's word."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from shared import lanes
from shared.arrays import load_arrays
from shared.contracts import SubmissionMessage
from shared.database import Database, open_database
from shared.project import ProjectConfig
from shared.repository.projects import all_projects, create_project
from shared.settings import Settings
from shared.streams import connect
from shared.tables import Item, Model
from tests.workers.simulation.made_up import WordEncoder, make_dataset, make_rows
from workers.context import Context
from workers.embedding import tasks as embedding_tasks
from workers.intake.answers import take_answers
from workers.intake.rules import Rules
from workers.intake.storing import store_items
from workers.selection.tasks import conduct_round


@contextmanager
def copied_database(migrated: Path, folder: Path, settings: Settings) -> Iterator[Database]:
    """A database of its own in a new folder, a copy of the file `migrated`: to compare two courses of one project."""
    folder.mkdir()
    shutil.copyfile(migrated, folder / "own.db")
    opened = open_database(settings.model_copy(update={"database_url": f"sqlite:///{folder / 'own.db'}"}))
    yield opened
    opened.close()


class Rounds:
    """The project `p`; `truth` is what its items are, in the order in which they came."""

    def __init__(
        self, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, config: ProjectConfig
    ) -> None:
        """Make the project, bring in 200 items and embed them."""
        self.held = Context(settings, database, connect(settings))
        self._config = config
        monkeypatch.setattr(Context, "relay", lambda _: None)
        monkeypatch.setattr(embedding_tasks, "context", lambda: self.held)
        monkeypatch.setattr(embedding_tasks, "load_encoder", lambda *_, **__: WordEncoder())
        with database.write() as session:
            assert create_project(session, "p", config)
            [self.project_id] = [project.id for project in all_projects(session)]
        dataset = make_dataset(make_rows(200))
        self.truth = {row.item.item_id: "".join(row.classes) for row in dataset.items}
        store_items(database, self.project_id, [row.item for row in dataset.items], rules=Rules(config.rules), seed=0)
        embedding_tasks.embed_pending(project_id=self.project_id)

    def label(self, item_ids: Iterable[str]) -> None:
        """Answer some items as they are."""
        messages = [
            SubmissionMessage(
                project="p", submission_id=item_id, item_id=item_id, annotator="anna", label=self.truth[item_id]
            )
            for item_id in item_ids
        ]
        with self.held.database.write() as session:
            take_answers(session, project_id=self.project_id, messages=messages, origin="test")

    def run(self) -> dict[str, int]:
        """A round; the folds on record after it."""
        with self.held.database.write() as session:
            lanes.request(session, self.project_id, lanes.ROUND)
        assert conduct_round(self.held, self.project_id, asked=True)
        with self.held.database.read() as session:
            statement = select(Item.item_id, Item.fold).where(col(Item.fold).is_not(None))
            return {item_id: fold for item_id, fold in session.exec(statement) if fold is not None}

    def headers(self) -> list[dict[str, Any]]:
        """Of all model versions."""
        with self.held.database.read() as session:
            blobs = session.exec(select(Model.arrays).order_by(col(Model.version))).all()
        return [load_arrays(blob)[1] for blob in blobs]
