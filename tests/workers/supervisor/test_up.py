"""`quietcorner up` with all its workers, as a person runs it."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from shared.streams import connect
from tests.live import Place, child, make_place, up, wait_for
from workers.supervisor.folder_lock import LOCK_NAME

WORKERS = (("listen",), *(("worker", queue) for queue in ("intake", "embedding", "training", "drift")), ("beat",))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, psutil.Process]]:
    # Each of these characters means something in a URL.
    folder = tmp_path_factory.mktemp("up") / "50%20off #1? @x:y"
    folder.mkdir()
    place = make_place(folder)
    with up(place) as process:
        yield place, process


def _said(place: Place) -> str:
    return (place.settings.folder.parent / "up.log").read_text()


@pytest.mark.live
def test_it_says_what_runs_where(running: tuple[Place, psutil.Process]) -> None:
    place, process = running
    said = _said(place)
    for fact in (place.settings.sql_url, place.settings.redis_in_force, str(place.settings.folder / "logs")):
        assert fact in said
    for words in WORKERS:
        assert child(process, *words).is_running()


@pytest.mark.live
def test_a_second_up_on_the_same_folder_is_refused_and_told_who_holds_it(
    running: tuple[Place, psutil.Process],
) -> None:
    place, process = running
    second = place.run("up", check=False)
    assert second.returncode == 6
    assert f"pid {process.pid}" in second.stderr
    assert f"kill {process.pid}" in second.stderr


@pytest.mark.live
def test_a_killed_worker_is_started_again_and_this_is_said(running: tuple[Place, psutil.Process]) -> None:
    place, process = running
    before = child(process, "worker", "drift")
    before.kill()
    wait_for(lambda: "drift ended (SIGKILL)" in _said(place), what="the death to be told")
    wait_for(lambda: "drift started again" in _said(place), what="the start to be told")
    assert child(process, "worker", "drift").pid != before.pid


@pytest.mark.live
def test_a_killed_redis_comes_back_with_its_data(running: tuple[Place, psutil.Process]) -> None:
    place, process = running
    with connect(place.settings) as client:
        client.set("word", "quiet")
    next(each for each in process.children() if "redis-server" in each.cmdline()[0]).kill()
    wait_for(lambda: "redis started again" in _said(place), what="Redis to be started again")

    def answers() -> bool:
        with connect(place.settings) as client:
            return bool(client.get("word") == b"quiet")

    wait_for(answers, what="Redis to answer")


@pytest.mark.live
def test_ctrl_c_ends_all_and_the_exit_code_is_0(running: tuple[Place, psutil.Process]) -> None:
    place, process = running  # the last that uses it: a start of its own would take as long as all tests before
    _ends_all(place, process, signal.SIGINT)


@pytest.mark.live
@pytest.mark.faults
def test_after_kill_9_nothing_is_left_running_and_the_next_up_goes_on_with_the_data_until_sigterm(
    place: Place,
) -> None:
    with up(place) as process:
        family = process.children(recursive=True)
        with connect(place.settings) as client:
            client.set("word", "corner")
        process.kill()
        assert psutil.wait_procs(family, timeout=30)[1] == []
    (place.settings.folder.parent / "up.log").unlink()
    with up(place) as process:
        with connect(place.settings) as client:
            assert client.get("word") == b"corner"
        assert re.search(r'"pid": \d+', (place.settings.folder / LOCK_NAME).read_text())
        _ends_all(place, process, signal.SIGTERM)


def _ends_all(place: Place, process: psutil.Process, number: signal.Signals) -> None:
    family = process.children(recursive=True)
    process.send_signal(number)
    assert process.wait(90) == 0
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert "All has ended." in _said(place)


def test_an_external_redis_that_does_not_answer_is_an_error_at_once(tmp_path: Path) -> None:
    place = make_place(tmp_path, REDIS_URL="redis://:secret@127.0.0.1:1/0")
    done = place.run("up", check=False)
    assert done.returncode == 4
    assert "Check REDIS_URL" in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_an_unknown_queue_is_refused_with_the_list(place: Place) -> None:
    done = place.run("worker", "--queues", "intake,kitchen", check=False)
    assert done.returncode == 2
    assert "'kitchen' is not a queue" in done.stderr
    assert "intake, embedding, training, drift" in done.stderr
