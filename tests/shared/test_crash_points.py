"""Crash points are inert until a test arms one, and then let one fault happen, once."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from shared import crash_points
from shared.database import Database, open_database
from shared.settings import Settings
from tests.live import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    crash_points.arm(tmp_path)
    yield tmp_path
    crash_points.arm(None)


def count(database: Database) -> int:
    with database.read() as session:
        return int(session.connection().execute(text("SELECT count(*) FROM deadletter")).scalar_one())


def write_a_row(database: Database) -> None:
    with database.write() as session:
        crash_points.name_commit(session, "row", 7)
        session.connection().execute(
            text("INSERT INTO deadletter (origin, payload, reason, received_at) VALUES ('a', 'b', 'c', 0)")
        )


def test_a_point_that_nobody_armed_is_passed(folder: Path) -> None:
    crash_points.reached("a.point")
    assert list(folder.iterdir()) == []


def test_without_a_folder_a_file_of_a_points_name_means_nothing(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "a.point").write_text("ENOSPC")
    open_database(settings).close()
    crash_points.reached("a.point")
    assert (tmp_path / "a.point").exists()


def test_an_armed_point_fails_once(folder: Path) -> None:
    (folder / "a.point").write_text("ENOSPC")
    with pytest.raises(OSError, match="No space left") as caught:
        crash_points.reached("a.point")
    assert caught.value.errno == errno.ENOSPC
    crash_points.reached("a.point")


def test_a_point_armed_for_one_project_lets_others_pass(folder: Path) -> None:
    (folder / "a.point.7").write_text("EIO")
    crash_points.reached("a.point", 8)
    with pytest.raises(OSError, match="Input/output"):
        crash_points.reached("a.point", 7)


def test_before_a_commit_nothing_is_written_and_after_it_all_is(database: Database, folder: Path) -> None:
    (folder / "before-commit.row").write_text("ENOSPC")
    with pytest.raises(OSError, match="before-commit"):
        write_a_row(database)
    assert count(database) == 0
    (folder / "after-commit.row.7").write_text("ENOSPC")
    with pytest.raises(OSError, match="after-commit"):
        write_a_row(database)
    assert count(database) == 1


def test_a_signal_ends_the_process_there_and_then(tmp_path: Path) -> None:
    (tmp_path / "a.point").write_text("SIGKILL\n")
    program = (
        "import sys, pathlib; from shared import crash_points as points\n"
        "points.arm(pathlib.Path(sys.argv[1])); print('before', flush=True); points.reached('a.point'); print('after')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "before\n")
    assert not (tmp_path / "a.point").exists()
