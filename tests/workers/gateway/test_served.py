"""A real server in a real process: the session of docs/http.md, and what a kill leaves."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import client as http
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.database import open_database
from shared.repository.tokens import create_token
from shared.tokens import Scope
from tests.live import ROOT, Place, make_place, wait_for
from tests.servers import make_settings, running_redis, short_folder
from tests.workers.gateway.server import answer
from tests.workers.intake.test_ingest import item, make_project, store

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with short_folder() as folder, running_redis(make_settings(folder)) as url:
        yield url


@pytest.fixture
def place(tmp_path: Path, redis_url: str) -> Place:
    """A project of one item, `one`, on SQLite."""
    made = make_place(tmp_path, REDIS_URL=redis_url, QUIETCORNER_HTTP_RATE="10000")
    with closing(open_database(made.settings)) as database:
        store(database, make_project(database), item("one", "a text"))
    return made


def new_token(place: Place) -> str:
    with closing(place.database) as database, database.write() as session:
        return create_token(session, name="x", scopes=[Scope.SUBMIT], project_id=None, lasts_s=None, who="tester")[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def serving(place: Place, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`quietcorner serve` for the length of the block."""
    log = place.settings.folder.parent / "serve.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "workers.cli", "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=place.environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_for(lambda: is_there(port) or process.poll() is not None, what="the server to answer")
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)


def is_there(port: int) -> bool:
    with suppress(OSError):
        return ask(port, "GET", "/health/live")[0] == 200
    return False


def ask(port: int, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
    connection = http.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_session_of_the_documentation_goes_as_it_says(place: Place) -> None:
    bash = shutil.which("bash")
    if bash is None or shutil.which("curl") is None:
        pytest.skip("no bash or no curl")
    [session] = re.findall(r"## A session\n\n```sh\n(.*?)```", (ROOT / "docs" / "http.md").read_text(), re.DOTALL)
    port = free_port()
    with serving(place, port):
        script = f'quietcorner() {{ "{sys.executable}" -m workers.cli "$@"; }}\n' + session.replace("8000", str(port))
        script = script.replace("--json ", "--header 'Content-Type: application/json' --data ")  # of an older curl
        script = script.replace("\ncurl ", "\necho; curl ")
        done = subprocess.run(
            [bash, "-eu"], input=script, env=place.environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line]
    items, leased, renewed, returned, one, several, status, batch, report, health = told
    assert (items["added"], leased) == (1, {"tasks": []})
    assert renewed["error"]["where"] == returned["error"]["where"] == "lease"  # there is no task 17 yet
    assert one["status"] == "accepted"
    assert (several["refused"], several["receipts"][0]["reason"][:6]) == (1, "label:")
    assert (status["labels"]["total"], batch["error"]["where"]) == (1, "round")
    assert report["in_short"]
    assert (health["status"], health["redis"]) == ("ready", True)


def test_what_was_acknowledged_before_a_kill_is_stored(place: Place) -> None:
    token = new_token(place)
    acknowledged: list[str] = []
    end = threading.Event()

    def send(sender: int) -> None:
        for number in range(10_000):
            if end.is_set():
                return
            row = answer(submission_id=f"{sender}-{number}", annotator=f"a-{sender}")
            with suppress(OSError, http.HTTPException):
                status, told = ask(port, "POST", "/v1/projects/tickets/submissions", row, token=token)
                if status == 200 and told["status"] == "accepted":
                    acknowledged.append(row["submission_id"])

    port = free_port()
    with serving(place, port) as process:
        senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
        for sender in senders:
            sender.start()
        wait_for(lambda: len(acknowledged) >= 100, what="a hundred answers")
        os.kill(process.pid, signal.SIGKILL)
        end.set()
        for sender in senders:
            sender.join()
    stored = {name for (name,) in place.query("SELECT submission_id FROM submission")}
    assert len(acknowledged) >= 100
    assert set(acknowledged) <= stored


def test_a_server_that_is_told_to_end_answers_what_it_has_begun(place: Place) -> None:
    token = new_token(place)
    port = free_port()
    database = place.database
    told: list[tuple[int, Any]] = []

    def send() -> None:
        told.append(ask(port, "POST", "/v1/projects/tickets/submissions", answer(), token=token))

    with serving(place, port) as process:
        sender = threading.Thread(target=send)
        with database.write() as session:
            session.connection()  # holds the only write lock: the answer has to wait
            sender.start()
            threading.Event().wait(0.5)
            process.terminate()
            threading.Event().wait(0.5)
        sender.join()
        process.wait(30)
    database.close()
    [(status, receipt)] = told
    assert (status, receipt["submission_id"], receipt["status"]) == (200, "s-1", "accepted")
    assert place.query("SELECT count(*) FROM submission") == [(1,)]


def test_a_port_that_is_taken_is_named_with_what_to_do(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = place.run("serve", "--port", port, check=False)
    assert done.returncode == 2
    assert f"can't listen on 127.0.0.1, port {port}" in done.stderr
    assert "--port" in done.stderr


def test_answers_are_taken_at_once_while_redis_keeps_silent(tmp_path: Path) -> None:
    def send(port: int, numbers: range) -> float:
        began = time.monotonic()
        for number in numbers:
            row = answer(submission_id=f"s-{number}")
            status, told = ask(port, "POST", "/v1/projects/tickets/submissions", row, token=token)
            assert (status, told["status"]) == (200, "accepted")
        return time.monotonic() - began

    with short_folder() as folder, running_redis(make_settings(folder)) as url:
        place = make_place(tmp_path, REDIS_URL=url, QUIETCORNER_HTTP_RATE="10000")
        with closing(open_database(place.settings)) as database:
            store(database, make_project(database), item("one", "a text"))
        servers = [one for one in psutil.Process().children() if "redis" in one.name()]
        server = max(servers, key=psutil.Process.create_time)  # the one that was just started
        token, port = new_token(place), free_port()
        with serving(place, port):
            usual_s = send(port, range(10))
            server.suspend()
            try:
                silent_s = send(port, range(10, 20))
            finally:
                server.resume()
    assert place.query("SELECT count(*) FROM submission") == [(20,)]
    assert silent_s < 4 * usual_s + 10  # each would wait for seconds if it asked Redis
