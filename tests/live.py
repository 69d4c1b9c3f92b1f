"""A running Quiet Corner for tests: the public commands, in real processes, on a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from sqlalchemy import text

from shared.contracts import SUBMISSION_TYPE, SubmissionMessage, pack
from shared.database import Database, open_database
from shared.settings import Settings
from shared.streams import SUBMISSIONS, connect
from tests.servers import make_settings

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """One Quiet Corner: its settings, and how its commands are run."""

    settings: Settings
    environment: dict[str, str]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `quietcorner ARGUMENTS`."""
        done = subprocess.run(
            [sys.executable, "-m", "workers.cli", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def facts(self, *arguments: str) -> Any:
        """Run a command with `--json` and read what it prints."""
        return json.loads(self.run(*arguments, "--json").stdout)

    @property
    def database(self) -> Database:
        """A connection of the test's own."""
        return open_database(self.settings)

    def query(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query on the place's database."""
        database = self.database
        try:
            with database.read() as session:
                return [tuple(row) for row in session.connection().execute(text(sql), values)]
        finally:
            database.close()

    @property
    def redis(self) -> Any:
        """A client of the place's Redis; its answers' types depend on the protocol, and are checked by the tests."""
        return connect(self.settings)


@dataclass(frozen=True)
class LiveProject:
    """One project of a running place."""

    place: Place
    name: str
    items: Path
    """The file that its items came from, with their labels."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query, in which `me` holds the project's row number as `id`."""
        return self.place.query(f"WITH me AS (SELECT id FROM project WHERE name = :name) {sql}", name=self.name)

    def count(self, table: str, where: str = "1 = 1") -> int:
        """Rows of one of the project's tables."""
        counted = f"SELECT count(*) FROM {table} WHERE project_id = (SELECT id FROM me) AND {where}"
        return int(self.query(counted)[0][0])

    def tasks(self) -> list[dict[str, Any]]:
        """Tasks on the annotation queue."""
        entries = self.place.redis.xrange(f"quietcorner:tasks:{self.name}")
        return [json.loads(fields[b"data"]) for _, fields in entries]

    def wait_for_batch(self, number: int) -> None:
        """Until the project has so many batches, and ten tasks at least are on the queue."""
        wait_for(lambda: self.count("batch") >= number and self._is_offered(), what=f"batch {number} on the queue")

    def _is_offered(self) -> bool:
        """Whether there are tasks, and all are open: where Redis was away, answered ones stay until the next sweep."""
        opened = self.query("SELECT assignment.id FROM assignment JOIN me ON me.id = project_id WHERE state = 'open'")
        offered = {task["assignment"] for task in self.tasks()}
        return len(offered) >= 10 and offered <= {number for (number,) in opened}

    def send(self, answers: Sequence[dict[str, Any]]) -> None:
        """Put answers on the submissions stream, as an annotation tool does."""
        with self.place.redis.pipeline(transaction=False) as pipe:
            for answer in answers:
                message = SubmissionMessage.model_validate({"project": self.name, "annotator": "tester", **answer})
                pipe.xadd(SUBMISSIONS, pack(type_=SUBMISSION_TYPE, id_=message.submission_id, data=message))
            pipe.execute()

    def answer_all(self) -> int:
        """Answer every task on the queue in one burst, as the file has it; how many."""
        rows = [json.loads(line) for line in self.items.read_text().splitlines()]
        truth = {row["id"]: row["label"] for row in rows}
        tasks = self.tasks()
        self.send(
            [
                {
                    "submission_id": f"{task['assignment']}.{task['lease']}",
                    "item_id": task["item_id"],
                    "label": truth[task["item_id"]],
                    "assignment": task["assignment"],
                    "lease": task["lease"],
                }
                for task in tasks
            ]
        )
        return len(tasks)


def make_project(place: Place, folder: Path, config: str, rows: Sequence[dict[str, Any]], *, name: str) -> LiveProject:
    """Create a project and ingest rows, by the commands a user types."""
    (folder / "project.toml").write_text(config)
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    place.run("project", "create", name, "--config", str(folder / "project.toml"))
    place.run("ingest", name, str(folder / "items.jsonl"))
    return LiveProject(place, name, folder / "items.jsonl")


def make_place(folder: Path, **environment: str) -> Place:
    """A place in `folder`, not running yet; leases are short, so that recovery is quick."""
    data = folder / "data"
    values = {
        **{key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}},
        "QUIETCORNER_DATA_DIR": str(data),
        "QUIETCORNER_LANE_LEASE_S": "3",
        "QUIETCORNER_SWEEP_INTERVAL_S": "0.5",
        **environment,
    }
    settings = make_settings(data).model_copy(update={"database_url": environment.get("DATABASE_URL")})
    return Place(settings, values)


@contextmanager
def up(place: Place, *, ended_by: signal.Signals = signal.SIGINT) -> Iterator[psutil.Process]:
    """`quietcorner up` for the length of the block, ready at its beginning, ended by a signal."""
    with up_log(place).open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.cli", "up"],
            env=place.environment,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        said = up_log(place).read_text
        wait_for(lambda: "ready:" in said() or process.poll() is not None, what="`up` to be ready", limit_s=90)
        assert process.poll() is None, said()
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            process.send_signal(ended_by)
            assert process.wait(90) == 0, up_log(place).read_text()


@dataclass(frozen=True)
class Running:
    """A place and its `quietcorner up`."""

    place: Place
    process: psutil.Process


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One running Quiet Corner for all tests that need one; each has a project of its own.

    That a signal ends all of it is looked at here: a start for it alone would take as long as many tests.
    """
    folder = tmp_path_factory.mktemp("live") / "50%20off #1? @x:y"  # each of these means something in a URL
    folder.mkdir()
    place = make_place(folder)
    with up(place, ended_by=signal.SIGTERM) as process:
        yield Running(place, process)
        family = process.children(recursive=True)
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert "All has ended." in up_log(place).read_text()


def up_log(place: Place) -> Path:
    """What `quietcorner up` says."""
    return place.settings.folder.parent / "up.log"


def child(parent: psutil.Process, *words: str) -> psutil.Process:
    """The child process of `up` whose command line, or the title that it gave itself, holds all `words`.

    Waits for one that is just being started again.
    """

    def found() -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):  # one that ends while we look
            return [one for one in parent.children() if set(words) <= set(" ".join(one.cmdline()).split())]
        return []

    return wait_for(found, what=f"a child with {words}", limit_s=15.0)[0]


def kill(process: psutil.Process) -> None:
    """SIGKILL a process and what it started, at once."""
    for each in [process, *process.children(recursive=True)]:
        each.kill()


def wait_for(condition: Callable[[], T], *, what: str, limit_s: float = 60.0, every_s: float = 0.05) -> T:
    """The first true value of `condition`; fails with `what` was waited for."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(every_s)
    raise AssertionError(f"waited {limit_s:.0f} s for {what}")


@contextmanager
def annotator(project: LiveProject, *arguments: str) -> Iterator[None]:
    """The example annotator, answering from the project's file for the length of the block."""
    command = [sys.executable, str(ROOT / "scripts" / "annotator_example.py")]
    command += ["--redis", project.place.settings.redis_in_force, "--project", project.name]
    command += ["--answers", str(project.items)]
    log = project.items.parent / "annotator.log"
    with log.open("a") as output:
        process = subprocess.Popen([*command, "--name", "robot", *arguments], stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
