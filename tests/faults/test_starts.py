"""Starting while a part is down: what can go on does, and the rest waits for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.live import ROOT, Place, make_place, make_project, wait_for
from tests.servers import make_settings, running_redis, short_folder

pytestmark = [pytest.mark.live, pytest.mark.faults]

CONFIG = 'classes = ["common", "rare"]'


@contextmanager
def process(place: Place, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `quietcorner` command that goes on, for the length of the block."""
    log = place.settings.folder.parent / f"{arguments[0]}.log"
    with log.open("ab") as output:
        command = [sys.executable, "-m", "workers.cli", *arguments]
        started = subprocess.Popen(command, env=place.environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)


@pytest.mark.fault("items come while Redis is down", "1")
def test_with_redis_down_items_go_in_and_workers_wait_and_then_hear_of_them(tmp_path: Path) -> None:
    with short_folder() as folder, ExitStack() as processes:
        redis = make_settings(folder)
        place = make_place(tmp_path, REDIS_URL=redis.redis_in_force)
        make_project(place, tmp_path, CONFIG, [{"id": "one", "text": "a text"}], name="early")
        unheard = "SELECT count(*) FROM outboxevent WHERE published_at IS NULL"
        assert place.query(unheard) == [(1,)]

        started = [
            processes.enter_context(process(place, *words)) for words in (["worker", "--queues", "intake"], ["beat"])
        ]
        log = tmp_path / "worker.log"
        wait_for(lambda: "Cannot connect" in log.read_text(), what="the worker to miss Redis")
        assert place.query(unheard) == [(1,)]
        with running_redis(redis):
            wait_for(lambda: place.query(unheard) == [(0,)], what="the outbox to be published")
            assert [each.poll() for each in started] == [None, None]
            processes.close()
