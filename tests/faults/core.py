"""The whole core without worker processes: hints wait in a list, for a test to hand out, repeat, lose, or kill by."""

import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from shared import crash_points
from shared.contracts import SUBMISSION_TYPE, SubmissionMessage, pack
from shared.database import Database
from shared.project import ProjectConfig
from shared.repository.projects import create_project
from shared.streams import ANNOTATORS, INTAKE, SUBMISSIONS, ensure_group, tasks_key
from tests.faults.scene import new_item
from tests.workers.simulation.made_up import WordEncoder
from workers.app import QUEUES, SWEEP, app, serve
from workers.context import context
from workers.embedding import tasks as embedding_tasks
from workers.intake import listener
from workers.intake.rules import Rules
from workers.intake.storing import store_items

_LONG_MS = 10_000_000
_STATE = {
    "item": "SELECT item_id, fold, duplicate_group IS NULL FROM item WHERE project_id = :id ORDER BY item_id",
    "submission": "SELECT submission_id, item_id, annotator, label, unasked "
    "FROM submission JOIN item ON item.id = item WHERE item.project_id = :id ORDER BY submission_id",
    "label": "SELECT item_id, value, submissions, agreement FROM label JOIN item ON item.id = item "
    "WHERE item.project_id = :id ORDER BY item_id",
    "model": "SELECT version, encoder, labels, metrics IS NULL FROM model WHERE project_id = :id ORDER BY version",
    "batch": "SELECT round, seed, submissions_seen, wanted, chosen, shortfalls, audit, division FROM batch "
    "WHERE project_id = :id ORDER BY round",
    "assignment": "SELECT item_id, slot, rank, reason, state FROM assignment JOIN item ON item.id = item "
    "WHERE item.project_id = :id ORDER BY item_id, slot",
    "lane": "SELECT room, requested > completed, owner FROM lane WHERE project_id = :id ORDER BY room",
}


class Killed(BaseException):
    """The process ends here, as far as the code that runs can tell."""


class _Once(threading.Event):
    """A stop that is set after one look."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def is_set(self) -> bool:
        self._looks += 1
        return self._looks > 2

    def wait(self, timeout: float | None = None) -> bool:
        """Not at all."""
        return timeout is None


class Core:
    """Projects in one database, and the hints that were sent and not yet taken."""

    def __init__(self, database: Database, crash_folder: Path) -> None:
        self.database = database
        self.redis = context().redis
        self.hints: list[tuple[str, int]] = []
        self._crash_folder = crash_folder
        self._projects = self._items = 0

    def project(self, **sections: Any) -> int:
        """A new, empty project; Redis is empty too."""
        self.redis.flushall()
        self.hints.clear()
        self._projects += 1
        self.name = f"core-{self._projects}"
        self.config = ProjectConfig.model_validate({"classes": ["common", "rare"], **sections})
        with self.database.write() as session:
            assert create_project(session, self.name, self.config)
        self.project_id = int(self.rows("SELECT max(id) FROM project")[0][0])
        return self.project_id

    def add_items(self, count: int, *, first: int = 0) -> list[str]:
        """Bring in items; the same numbers are the same items."""
        items = [new_item(number) for number in range(first, first + count)]
        store_items(self.database, self.project_id, items, rules=Rules(()), seed=self.config.seed)
        context().relay()
        return [item.item_id for item in items]

    def send(self, submission_id: str, item_id: str, label: str, **more: Any) -> SubmissionMessage:
        """Put an answer on the stream."""
        message = SubmissionMessage(
            project=self.name, submission_id=submission_id, item_id=item_id, annotator="anna", label=label, **more
        )
        self.redis.xadd(SUBMISSIONS, pack(type_=SUBMISSION_TYPE, id_=submission_id, data=message))
        return message

    def take(self) -> list[dict[str, Any]]:
        """All tasks that an annotator can have now."""
        ensure_group(self.redis, tasks_key(self.name), ANNOTATORS)
        read: Any = self.redis.xreadgroup(ANNOTATORS, "anna", {tasks_key(self.name): ">"}, count=100)
        return [json.loads(fields[b"data"]) for _, entries in read for _, fields in entries]

    def listen(self) -> None:
        """One pass of the listener."""
        if self.redis.exists(SUBMISSIONS):
            listener.serve(context(), _Once())

    def run(self, task: str) -> None:
        """Run a task as a worker would."""
        app.tasks[task](**({} if task == SWEEP else {"project_id": self.project_id}))

    def take_hint(self, place: int) -> None:
        """Take one of the hints."""
        task, project_id = self.hints.pop(place % len(self.hints))
        if project_id == self.project_id:
            self.run(task)

    @contextmanager
    def killed_at(self, point: str) -> Iterator[None]:
        """What comes to this point in the block dies there."""
        (self._crash_folder / point).write_text("SIGUSR1")
        with suppress(Killed):
            yield
        (self._crash_folder / point).unlink(missing_ok=True)

    def let_leases_run_out(self) -> None:
        """As time does: of lanes, of tasks, of what a listener read."""
        with self.database.write() as session:
            session.connection().execute(text("UPDATE lane SET until = 0 WHERE until IS NOT NULL"))
            session.connection().execute(text("UPDATE assignment SET leased_until = 0 WHERE leased_until IS NOT NULL"))
        for key, group in ((tasks_key(self.name), ANNOTATORS), (SUBMISSIONS, INTAKE)):
            ensure_group(self.redis, key, group)
            self._age(key, group)

    def settle(self) -> None:
        """Let everything be done that is to be done: sweeps, hints, leases."""
        for _ in range(30):
            self.listen()
            self.run(SWEEP)
            self.free_what_the_dead_hold()
            while self.hints:
                self.take_hint(0)
            lag = self.rows("SELECT 1 FROM lane WHERE project_id = :id AND requested > completed")
            if not lag and self.redis.xlen(SUBMISSIONS) == 0:
                return
        raise AssertionError(f"it does not come to rest: {self.rows(_STATE['lane'])}")

    def free_what_the_dead_hold(self) -> None:
        """Free the lanes that somebody died with, and what a listener that died had read."""
        with self.database.write() as session:
            session.connection().execute(text("UPDATE lane SET until = 0 WHERE until IS NOT NULL"))
        ensure_group(self.redis, SUBMISSIONS, INTAKE)
        self._age(SUBMISSIONS, INTAKE)

    def _age(self, key: str, group: str) -> None:
        """Let all that was read there and not acknowledged have been read long ago."""
        pending: Any = self.redis.xpending_range(key, group, "-", "+", 1_000)
        for entry in pending:
            self.redis.xclaim(key, group, entry["consumer"], 0, [entry["message_id"]], idle=_LONG_MS, justid=True)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query, in which `:id` is the project."""
        with self.database.read() as session:
            wanted = {"id": self.project_id, **values} if ":id" in sql else values
            return [tuple(row) for row in session.connection().execute(text(sql), wanted)]

    def state(self) -> str:
        """A hash of all that the database says of the project, but for times, row numbers and leases."""
        said = {name: self.rows(query) for name, query in _STATE.items()}
        return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


@pytest.fixture
def core(database: Database, redis_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """The core on each database and a real Redis."""
    crash_folder = tmp_path / "crash"
    crash_folder.mkdir()
    for name, value in {
        "DATABASE_URL": str(database.url),
        "REDIS_URL": redis_server,
        "QUIETCORNER_DATA_DIR": str(tmp_path / "data"),
        "QUIETCORNER_CRASH_FOLDER": str(crash_folder),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(embedding_tasks, "load_encoder", lambda *_, **__: WordEncoder())
    monkeypatch.setattr(listener, "_BLOCK_MS", 1)
    context.cache_clear()
    serve(QUEUES)
    app.loader.import_default_modules()
    made = Core(database, crash_folder)
    monkeypatch.setattr(app, "send_task", lambda task, kwargs, **_: made.hints.append((task, kwargs["project_id"])))
    before = signal.signal(signal.SIGUSR1, _die)
    yield made
    signal.signal(signal.SIGUSR1, before)
    context().database.close()
    context.cache_clear()
    crash_points.arm(None)


def _die(*_: object) -> None:
    raise Killed
