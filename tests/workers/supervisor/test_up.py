"""`quietcorner up` with all its workers, as a person runs it."""

from pathlib import Path

import pytest

from shared.streams import connect
from tests.live import Place, Running, child, make_place, up_log, wait_for

WORKERS = (("listen",), *(("worker", queue) for queue in ("intake", "embedding", "training", "drift")), ("beat",))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


@pytest.mark.live
def test_it_says_what_runs_where(running: Running) -> None:
    place, process = running.place, running.process
    said = up_log(place).read_text()
    for fact in (place.settings.sql_url, place.settings.redis_in_force, str(place.settings.folder / "logs")):
        assert fact in said
    for words in WORKERS:
        assert child(process, *words).is_running()


@pytest.mark.live
def test_a_second_up_on_the_same_folder_is_refused_and_told_who_holds_it(
    running: Running,
) -> None:
    place, process = running.place, running.process
    second = place.run("up", check=False)
    assert second.returncode == 6
    assert f"pid {process.pid}" in second.stderr
    assert f"kill {process.pid}" in second.stderr


@pytest.mark.live
def test_a_killed_worker_is_started_again_and_this_is_said(running: Running) -> None:
    place, process = running.place, running.process
    before, already = child(process, "worker", "drift"), len(up_log(place).read_text())
    before.kill()
    wait_for(lambda: "drift ended (SIGKILL)" in up_log(place).read_text()[already:], what="the death to be told")
    wait_for(lambda: "drift started again" in up_log(place).read_text()[already:], what="the start to be told")
    assert child(process, "worker", "drift").pid != before.pid


@pytest.mark.live
def test_a_killed_redis_comes_back_with_its_data(running: Running) -> None:
    place, process = running.place, running.process
    with connect(place.settings) as client:
        client.set("word", "quiet")
        # While the disk is slow the server answers for up to two seconds before it writes.
        wait_for(lambda: client.info("persistence")["aof_buffer_length"] == 0, what="the word to be in the file")
    already = len(up_log(place).read_text())
    next(each for each in process.children() if "redis-server" in each.cmdline()[0]).kill()
    wait_for(lambda: "redis started again" in up_log(place).read_text()[already:], what="Redis to be started again")

    def answers() -> bool:
        with connect(place.settings) as client:
            return bool(client.get("word") == b"quiet")

    wait_for(answers, what="Redis to answer")


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
