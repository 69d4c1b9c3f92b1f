"""Work that nobody waits for pauses while a round computes, and no longer than it has to."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from shared.blocks import each_block
from shared.database import Database
from shared.settings import Settings
from tests.workers.drift.test_label_tasks import Labeling, config_of
from tests.workers.simulation.made_up import make_rows
from workers import right_of_way
from workers.drift import label_watch
from workers.selection import round as selection_round
from workers.selection import tasks as selection_tasks
from workers.training import evaluation
from workers.training import tasks as training_tasks

_HOLD = """
import sys, time
from pathlib import Path
from workers import right_of_way
with right_of_way.first(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def counting(naps: list[float], *, then: Callable[[int], None] = lambda _count: None) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        naps.append(seconds)
        then(len(naps))

    return sleep


def test_it_pauses_until_the_last_that_goes_first_is_done(tmp_path: Path) -> None:
    naps = list[float]()
    rounds = [right_of_way.first(tmp_path), right_of_way.first(tmp_path)]
    for one in rounds:
        one.__enter__()

    def leave(count: int) -> None:
        if count in {3, 7}:
            rounds.pop().__exit__(None, None, None)

    with right_of_way.behind(tmp_path, sleep=counting(naps, then=leave)):
        right_of_way.pause()
        assert len(naps) == 7
        right_of_way.pause()
        assert len(naps) == 7


def test_other_work_and_what_comes_after_it_does_not_pause(tmp_path: Path) -> None:
    with right_of_way.first(tmp_path):
        right_of_way.pause()
        with right_of_way.behind(tmp_path, sleep=counting([])):
            pass
        right_of_way.pause()


def test_where_rounds_follow_each_other_work_waits_half_a_minute_and_then_half_of_the_time(tmp_path: Path) -> None:
    naps, worked = list[float](), [0.0]
    behind = right_of_way.behind(tmp_path, sleep=counting(naps), clock=lambda: worked[0] + sum(naps))
    with right_of_way.first(tmp_path), behind:
        for more_s, waited_s in ((0, 30), (0, 30), (10, 40), (50, 70)):
            worked[0] += more_s
            right_of_way.pause()
            assert sum(naps) == pytest.approx(waited_s, abs=0.1)


def test_threads_of_a_pass_pause_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, done_before, a_round = list[int](), list[int](), right_of_way.first(tmp_path)

    def leave(count: int) -> None:
        if count == 3:
            time.sleep(0.2)  # for those who would not wait
            done_before.extend(done)
            a_round.__exit__(None, None, None)

    def work(block: slice) -> None:
        right_of_way.pause()
        done.append(block.start)

    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1, 2})
    a_round.__enter__()
    naps = list[float]()
    with right_of_way.behind(tmp_path, sleep=counting(naps, then=leave)):
        each_block(6, 1, work)
    assert (done_before, sorted(done), len(naps)) == ([], list(range(6)), 3)


def test_rounds_go_on_without_a_lock_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with right_of_way.first(tmp_path / "file"), right_of_way.behind(tmp_path / "file"):
        right_of_way.pause()
    with (tmp_path / "rounds.lock").open("a+") as stopped:  # who looked whether it is taken, and was stopped
        fcntl.flock(stopped, fcntl.LOCK_EX)
        with right_of_way.first(tmp_path):
            pass


def test_a_killed_round_keeps_nobody_waiting(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        naps = list[float]()

        def kill(_count: int) -> None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        with right_of_way.behind(tmp_path, sleep=counting(naps, then=kill)):
            right_of_way.pause()
        assert len(naps) == 1


def test_a_round_goes_first_and_the_audit_and_the_label_watch_pause(
    database: Database, redis_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, is_taken, select = list[str](), right_of_way._is_taken, selection_round.select

    def look(file: TextIO) -> bool:
        told.append("taken" if is_taken(file) else "free")
        return False

    def choose(*arguments: Any, **options: Any) -> Any:
        with right_of_way.behind(redis_settings.folder):
            right_of_way.pause()
        return select(*arguments, **options)

    monkeypatch.setattr(right_of_way, "_is_taken", look)
    monkeypatch.setattr(selection_tasks, "select", choose)
    labeling = Labeling(database, redis_settings, monkeypatch, config_of())
    labeling.bring(make_rows(300, source="mail"))
    labeling.go_on()
    assert told == ["taken"]  # no answer yet, so nothing is trained
    monkeypatch.setattr(selection_tasks, "select", select)
    monkeypatch.setattr(training_tasks, "evaluate_on_audit", marked(told, "audit", evaluation.evaluate_on_audit))
    monkeypatch.setattr(label_watch, "look", marked(told, "watch", label_watch.look))
    labeling.go_on()
    audit, watch = told.index("audit"), told.index("watch")
    assert told[1:audit] == []
    assert "free" in told[audit:watch]
    assert "free" in told[watch:]


def marked(told: list[str], name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The work, which says when it begins."""

    def begun(*arguments: Any, **options: Any) -> Any:
        told.append(name)
        return work(*arguments, **options)

    return begun
