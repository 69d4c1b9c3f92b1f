"""The database locked, cut off, started anew, or without room on its disk, under a running loop."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import lanes
from shared.database import Database
from shared.errors import DatabaseUnavailableError
from tests.faults.scene import Project, Scene, running_scene
from tests.live import wait_for
from tests.servers import _postgres_binaries, _PostgresServer, short_folder

pytestmark = [pytest.mark.live, pytest.mark.faults, pytest.mark.slow_faults]

_LOCKED_S = 8.0  # longer than a lane's lease
_DISK_BYTES = 96 * 2**20


def goes_on(project: Project, *, by: int = 2) -> None:
    """More batches come when items and answers do."""
    batches = project.batches()
    project.add_items(40)
    project.wait_for_batch(batches + by)


@pytest.mark.fault("the database locked for 8 s", "2, 4")
def test_a_database_locked_for_8_s_delays_the_loop_and_nothing_else(scene: Scene) -> None:
    project = scene.project(items=120)
    project.wait_for_batch(1)
    with project.annotators(3):
        with scene.database.write() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.connection().execute(text("LOCK TABLE lane, assignment, submission IN ACCESS EXCLUSIVE MODE"))
            else:
                session.connection()
            time.sleep(_LOCKED_S)
        goes_on(project)
    assert project.faults() == []
    assert project.scalar("SELECT max(attempts) FROM lane WHERE project_id = :id") <= 1
    project.retire()


@pytest.mark.fault("all connections cut, ten times", "2, 4")
def test_connections_cut_again_and_again_lose_nothing(scene: Scene) -> None:
    if scene.database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no connections that could be cut")
    project = scene.project(items=200)
    project.wait_for_batch(1)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with project.annotators(5):
        for _ in range(10):
            with scene.database.engine.connect() as connection:
                connection.execute(text(f"{cut} AND pid <> pg_backend_pid()"))
            time.sleep(0.7)
        goes_on(project)
    assert project.faults() == []
    project.retire()


class DurableServer(_PostgresServer):
    """A server that keeps what it has said to be committed, and can be ended in the middle of it and started again."""

    def _start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        self._command = command
        return super()._start(*command, "-c", "synchronous_commit=on")

    def crash(self) -> None:
        """End it at once; what is open is lost."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def start_again(self) -> None:
        """Start it on the same data."""
        self._leash.release(self._process.pid)
        self._process = self._start(*self._command)
        self._leash.hold(self._process.pid)


@pytest.mark.on_postgresql_only
@pytest.mark.fault("the database server crashes and starts again", "2, 3")
def test_a_postgresql_server_that_crashes_and_starts_again_loses_nothing(tmp_path: Path) -> None:
    binaries = next(_postgres_binaries(), None)
    if binaries is None:
        pytest.skip("no PostgreSQL server can be had")
    with short_folder() as folder:
        server = DurableServer(binaries, folder)
        with server, running_scene(tmp_path, DATABASE_URL=server.url) as scene:
            project = scene.project(items=200)
            project.wait_for_batch(1)
            with project.annotators(5):
                time.sleep(1.0)
                server.crash()
                time.sleep(4.0)
                server.start_again()
                wait_for(lambda: reachable(scene.database), what="the server to answer")
                goes_on(project)
            assert project.faults() == []


def reachable(database: Database) -> bool:
    try:
        with database.read() as session:
            return bool(session.connection().execute(text("SELECT 1")).scalar_one())
    except DatabaseUnavailableError:
        return False


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[None]:
    """A file system of so many bytes on a folder, where we may mount one."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607 - wherever it is


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return filler


@pytest.mark.fault("no room on the disk", "2, 4")
def test_a_full_disk_stops_the_loop_and_with_room_again_it_goes_on_and_nothing_is_half_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", size=_DISK_BYTES), running_scene(tmp_path) as scene:
        project = scene.project(items=120)
        project.wait_for_batch(1)
        with project.annotators(3):
            filler = fill(tmp_path / "data")
            time.sleep(8.0)
            filler.unlink()
            goes_on(project)
        assert project.faults() == []
        assert project.set_aside() == set()
        with scene.database.read() as session:
            assert session.connection().execute(text("PRAGMA integrity_check")).scalar_one() == "ok"


@pytest.mark.fault("no room for the copy of the vectors", "4")
def test_no_room_for_the_copy_of_the_vectors_delays_the_work_and_sets_nothing_aside(scene: Scene) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    refused = (
        "SELECT count(*) FROM lane_history WHERE new_project_id = :id AND new_owner IS NULL AND new_room = 'embed'"
    )
    with small_disk(scene.place.settings.folder / "vectors", size=4096 * 4):
        before = project.scalar(refused)
        project.add_items(20)
        wait_for(lambda: project.scalar(refused) > before + lanes.MOST_ATTEMPTS, what="more refusals than attempts")
        assert "No space left" in project.text("SELECT error FROM lane WHERE project_id = :id AND room = 'embed'")
        assert project.scalar("SELECT requested - completed FROM lane WHERE project_id = :id AND room = 'embed'") > 0
    with project.annotators(2):
        goes_on(project)
    assert project.faults() == []
    project.retire()


@pytest.mark.fault("a local copy of the vectors cut short, overwritten, or of another encoder", "5, 6")
@pytest.mark.parametrize("damage", ["cut short", "overwritten", "of another encoder"])
def test_a_local_copy_of_the_vectors_that_is_not_whole_is_made_anew(scene: Scene, damage: str) -> None:
    project = scene.project(items=60)
    project.wait_for_batch(1)
    for copy in (scene.place.settings.folder / "vectors").iterdir():
        if damage == "cut short":
            os.truncate(copy / "vectors.f16", 100)
        elif damage == "overwritten":
            (copy / "segments.json").write_text("[[1, 2")
        else:
            (copy / "segments.json").write_text('[[999999, 60, 768, "other"]]')
    with project.annotators(2):
        goes_on(project)
    assert project.faults() == []
    assert project.set_aside() == set()
    project.retire()
