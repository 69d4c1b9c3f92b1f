"""A running Quiet Corner on SQLite and one on PostgreSQL, whose crash points a test arms, and what must hold there."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from shared import lanes
from shared.database import Database, now, open_database
from shared.project import ProjectConfig
from shared.repository.items import NewItem
from shared.repository.projects import create_project
from shared.streams import tasks_key
from shared.vectors import text_key
from tests.faults.annotators import Annotator, annotators, twice_in_hand
from tests.faults.history import faults_of_assignments, faults_of_lanes, keep_history, read_history
from tests.live import Place, make_place, up, wait_for
from tests.servers import fresh_postgres_database
from workers.intake.rows import normalise
from workers.intake.rules import Rules
from workers.intake.storing import store_items

LANE_LEASE_S = 3.0
QUEUE_LEASE_S = 20.0
CLASSES = ("common", "rare")
# A killed process is started again by `up`, and imports for seconds before it works; then comes the next sweep.
START_S = 150.0
SOFT_SHUTDOWN_S = 4.0
_SUBJECTS = ("parcel", "invoice", "screen", "contract", "refund", "password", "delivery", "meeting", "ticket", "garden")


@dataclass
class Scene:
    """One running Quiet Corner."""

    place: Place
    process: psutil.Process
    database: Database
    crash_folder: Path
    _projects: int = 0
    _items: int = 0

    def arm(self, point: str, fault: str = "SIGKILL") -> None:
        """Let a fault happen at a crash point, once."""
        unfinished = self.crash_folder / ".new"
        unfinished.write_text(fault)
        unfinished.rename(self.crash_folder / point)

    def happened(self, point: str) -> bool:
        """Whether the armed fault has happened."""
        return not (self.crash_folder / point).exists()

    def disarm(self) -> None:
        """Make all points inert."""
        for file in self.crash_folder.iterdir():
            file.unlink(missing_ok=True)

    def said(self) -> str:
        """All that `up` has said."""
        return (self.place.settings.folder.parent / "up.log").read_text()

    @contextmanager
    def up_again(self) -> Iterator[None]:
        """Another `up` on the same place, for the length of the block."""
        (self.place.settings.folder.parent / "up.log").unlink()
        with up(self.place) as process:
            self.process = process
            yield

    def keep_armed(self, point: str, fault: str, *, until: Callable[[], object], limit_s: float) -> int:
        """Let a fault happen each time that the point is reached, until something is so; how often it did."""
        times, end = 0, time.monotonic() + limit_s
        self.arm(point, fault)
        while not until():
            assert time.monotonic() < end, f"{point}: {times} faults in {limit_s:.0f} s"
            if self.happened(point):
                times += 1
                self.arm(point, fault)
            time.sleep(0.05)
        self.disarm()
        return times

    def project(self, *, items: int = 120, batch_size: int = 10, lease_s: float = QUEUE_LEASE_S) -> "Project":
        """A new project with items."""
        self._projects += 1
        name = f"fault-{self._projects}"
        config = ProjectConfig.model_validate(
            {
                "classes": list(CLASSES),
                "selection": {
                    "batch_size": batch_size,
                },
                "caps": {"sources": {"mail": _mail_cap(batch_size)}},
                "queue": {"lease_s": lease_s},
            }
        )
        with self.database.write() as session:
            assert create_project(session, name, config)
        with self.database.read() as session:
            found = session.connection().execute(text("SELECT id FROM project WHERE name = :name"), {"name": name})
            made = Project(self, name, int(found.scalar_one()), config)
        made.add_items(items)
        return made

    def new_items(self, count: int) -> list[NewItem]:
        """Items that nobody has seen."""
        self._items += count
        return [new_item(number) for number in range(self._items - count, self._items)]


@dataclass(frozen=True)
class Project:
    """One project of a scene."""

    scene: Scene
    name: str
    id: int
    config: ProjectConfig
    _teams: list[Annotator] = field(default_factory=list)

    @contextmanager
    def annotators(self, count: int, *, delay_s: float = 0.05, think_s: float = 0.0) -> Iterator[Sequence[Annotator]]:
        """So many annotators at work for the length of the block; at its end every answer has its receipt."""
        settings = self.scene.place.settings
        with annotators(settings, self.name, count=count, delay_s=delay_s, think_s=think_s) as team:
            self._teams.extend(team)
            yield team

    def add_items(self, count: int) -> None:
        """Bring new items into the pool."""
        items = self.scene.new_items(count)
        store_items(self.scene.database, self.id, items, rules=Rules(self.config.rules), seed=self.config.seed)

    def request(self, room: str) -> int:
        """Ask for one more run of a lane; how far its requests go then."""
        with self.scene.database.write() as session:
            lanes.request(session, self.id, room)
        return int(self.scalar("SELECT requested FROM lane WHERE project_id = :id AND room = :room", room=room))

    def ask(self, room: str) -> int:
        """`request`, with something to do: dispatch finds that Redis has lost the queue."""
        if room == lanes.DISPATCH:
            self.scene.place.redis.delete(tasks_key(self.name))
        return self.request(room)

    def scalar(self, sql: str, **values: object) -> float:
        """The one number of a query, in which `:id` is the project."""
        with self.scene.database.read() as session:
            return float(session.connection().execute(text(sql), {"id": self.id, **values}).scalar_one() or 0)

    def text(self, sql: str) -> str:
        """The one text of a query."""
        with self.scene.database.read() as session:
            return str(session.connection().execute(text(sql), {"id": self.id}).scalar_one())

    def completed(self, room: str) -> float:
        """How many requests of a lane are answered."""
        return self.scalar("SELECT completed FROM lane WHERE project_id = :id AND room = :room", room=room)

    def batches(self) -> float:
        """How many batches there are."""
        return self.scalar("SELECT count(*) FROM batch WHERE project_id = :id")

    def written(self) -> list[float]:
        """How much of each kind a round has written."""
        tables = "batch", "model", "assignment"
        return [self.scalar(f"SELECT count(*) FROM {table} WHERE project_id = :id") for table in tables]

    def set_aside(self) -> set[str]:
        """Lanes that nobody tries any more."""
        query = "SELECT room, room FROM lane WHERE project_id = :id AND requested > completed AND attempts >= 5"
        with self.scene.database.read() as session:
            at = now(session)
        return {room for room, _ in self._pairs(f"{query} AND until < {at}")}

    def retire(self) -> None:
        """Withdraw all that is open and answer every request, so that later tests have the workers to themselves."""
        calm = "UPDATE lane SET completed = requested, attempts = 0 WHERE project_id = :id AND room = :room"
        for room in lanes.ROOMS:  # one lane at a time, since a worker may hold one and ask for another
            with self.scene.database.write() as session:
                session.connection().execute(text(calm), {"id": self.id, "room": room})
        withdrawn = "UPDATE assignment SET state = 'withdrawn' WHERE state = 'open' AND project_id = :id"
        with self.scene.database.write() as session:
            session.connection().execute(text(withdrawn), {"id": self.id})

    def wait_for_batch(self, number: float, *, limit_s: float = 120.0) -> None:
        """Until there are so many."""
        wait_for(lambda: self.batches() >= number, what=f"batch {number:.0f}", limit_s=limit_s)

    def faults(self, *, unseen: tuple[float, float] = (0.0, 0.0)) -> list[str]:
        """Everything that is not as it must be; to be asked when all answers have their receipts.

        `unseen`: see `twice_in_hand`.
        """
        return [
            *faults_of_lanes(read_history(self.scene.database, "lane", self.id)),
            *faults_of_assignments(read_history(self.scene.database, "assignment", self.id)),
            *twice_in_hand(self._teams, unseen=unseen),
            *(f"refused: {reason}" for one in self._teams for reason in one.refused),
            *self._lost(),
            *self._caps_broken(),
        ]

    def _lost(self) -> list[str]:
        """Where the stored submissions are not those with a receipt, or the labels not what they say."""
        safe = {key: sent for one in self._teams for key, sent in one.safe.items()}
        items = "JOIN item ON item.id = item WHERE item.project_id = :id"
        stored = dict(self._pairs(f"SELECT submission_id, item_id FROM submission {items}"))
        labels = dict(self._pairs(f"SELECT item_id, value FROM label {items}"))
        answers = {sent.item_id: str(sent.label) for sent in safe.values()}
        return [
            *(f"{key} has a receipt and is not stored" for key in sorted(set(safe) - set(stored))),
            *(f"{key} is stored and has no receipt" for key in sorted(set(stored) - set(safe))),
            *(f"label of {key}: {labels.get(key)}, not {answers.get(key)}" for key in labels.keys() ^ answers.keys()),
            *(f"label of {key} is {labels[key]}" for key in labels if labels[key] != answers.get(key, labels[key])),
        ]

    def _pairs(self, sql: str) -> list[tuple[str, str]]:
        with self.scene.database.read() as session:
            rows = session.connection().execute(text(sql), {"id": self.id}).all()
        return [(str(row[0]), str(row[1]).strip('"')) for row in rows]  # SQLite gives JSON, PostgreSQL what it says

    def _caps_broken(self) -> list[str]:
        most = _mail_cap(self.config.selection.batch_size)
        query = """
            SELECT round, count(*) FROM assignment JOIN item ON item.id = item JOIN batch ON batch.id = batch
            WHERE batch.project_id = :id AND source = 'mail' GROUP BY round"""
        with self.scene.database.read() as session:
            counts = session.connection().execute(text(query), {"id": self.id}).all()
        return [f"batch {number}: {count} items of mail, {most} at most" for number, count in counts if count > most]


@contextmanager
def running_scene(folder: Path, **environment: str) -> Iterator[Scene]:
    """A running Quiet Corner in a folder, with its history kept and no point armed."""
    crash_folder = folder / "crash"
    crash_folder.mkdir()
    place = make_place(
        folder,
        QUIETCORNER_CRASH_FOLDER=str(crash_folder),
        QUIETCORNER_LANE_LEASE_S=str(LANE_LEASE_S),
        QUIETCORNER_SOFT_SHUTDOWN_S=str(SOFT_SHUTDOWN_S),
        **environment,
    )
    database = open_database(place.settings)
    keep_history(database)
    with up(place) as process:
        yield Scene(place, process, database, crash_folder)
    database.close()


@contextmanager
def place_of(kind: str, request: pytest.FixtureRequest) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for a scene, and the environment that names its database."""
    folder = request.getfixturevalue("tmp_path_factory").mktemp(f"faults-{kind}")
    if kind == "sqlite":
        yield folder, {}
        return
    server, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("migrated_template")
    with fresh_postgres_database(server, template=template) as url:
        yield folder, {"DATABASE_URL": url}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_folder(request: pytest.FixtureRequest) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for a scene of a test's own, on each database."""
    with place_of(request.param, request) as place:
        yield place


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow_faults)])
def scene_of_all(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One scene for all tests, on each database."""
    with place_of(request.param, request) as (folder, environment), running_scene(folder, **environment) as made:
        yield made


@pytest.fixture
def scene(scene_of_all: Scene) -> Iterator[Scene]:
    """A running Quiet Corner, on each database; shared by all tests, with no point armed at their beginning and end."""
    yield scene_of_all
    scene_of_all.disarm()


def _mail_cap(batch_size: int) -> int:
    """Most items of one source in a batch: more than its half of the pool."""
    return batch_size * 7 // 10


def new_item(number: int) -> NewItem:
    """One item; one in five is rare, and each id begins with the item's class."""
    name = CLASSES[number % 5 == 0]
    subject = _SUBJECTS[number % len(_SUBJECTS)]
    words = f"{subject} {number * 7919 % 10007} asks {'for help at once' if name == 'rare' else 'a question'}"
    source = "mail" if number % 2 else "chat"
    return NewItem(f"{name}-{number}", words, source, None, None, text_key(words), text_key(normalise(words)))
