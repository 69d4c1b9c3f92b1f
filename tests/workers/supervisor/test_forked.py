"""Processes forked from this one, by a supervisor of their own: a test's process has threads."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.live import wait_for

_SUPERVISOR = """
import os, signal, sys, time
from pathlib import Path
from workers.readiness import say_ready
from workers.supervisor.command import Command
from workers.supervisor.processes import Children

def main(arguments):
    exec(arguments[0])

logs, script, *more = Path(sys.argv[1]), *sys.argv[2:]
signal.signal(signal.SIGTERM, lambda *_: print("the supervisor hears", flush=True))
held = open(logs / "held", "w")
with Children(logs, tell=lambda line: print(line, flush=True)) as children:
    children.start(Command("one", (script,), {"WORD": "quiet"}, main=main))
    print(children.pid("one"), flush=True)
    exec(more[0] if more else "while True: children.tend(); time.sleep(0.05)")
"""


Supervise = Callable[..., subprocess.Popen[str]]


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.fixture
def supervise(logs: Path) -> Iterator[Supervise]:
    """Starts a supervisor whose child runs a script; none of them outlives the test, however it ends."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _SUPERVISOR, str(logs), script, *more]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(process.pid)
            for one in [*first.children(recursive=True), first]:
                one.kill()
        process.wait()


def test_it_has_its_own_session_environment_log_and_name_and_no_file_of_its_parent(
    supervise: Supervise, logs: Path
) -> None:
    script = """
import os, sys
print(os.getsid(0) == os.getpid(), os.environ["WORD"], sys.argv[0], sorted(os.listdir("/proc/self/fd"))[:4])
print([os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd") if int(each) > 3 and
       os.path.exists(f"/proc/self/fd/{each}")], file=sys.stderr)
"""
    process = supervise(script, "children._children['one'].process.wait()")
    process.communicate(timeout=60)
    lines = (logs / "one.log").read_text().splitlines()
    assert "True quiet quietcorner ['0', '1', '2', '3']" in lines
    assert "[]" in lines


def test_it_says_when_it_is_ready(supervise: Supervise) -> None:
    wait = "while not (ready := children.ready()): time.sleep(0.05)\nprint(ready)"
    process = supervise("say_ready(); time.sleep(60)", wait)
    said, _ = process.communicate(timeout=60)
    assert "{'one'}" in said


def test_it_hears_signals_itself_even_when_they_come_at_once(supervise: Supervise) -> None:
    end = "children._children['one'].process.terminate(); print(children._children['one'].process.wait())"
    process = supervise("time.sleep(60)", end)
    said, _ = process.communicate(timeout=60)
    assert said.splitlines()[1:] == ["-15"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("sys.exit(3)", "one ended (exit code 3)"),
        ("os.kill(os.getpid(), 9)", "one ended (SIGKILL)"),
        ("raise KeyError('no such door')", "one ended (exit code 1): KeyError: 'no such door'"),
    ],
)
def test_its_end_is_told_and_it_is_forked_anew(supervise: Supervise, script: str, told: str) -> None:
    tend = "for _ in range(40): children.tend(); time.sleep(0.05)"
    said, _ = supervise(script, tend).communicate(timeout=60)
    assert said.splitlines()[1] == told
    assert said.splitlines()[2].startswith("one started again")


def test_it_dies_when_its_parent_is_killed(supervise: Supervise) -> None:
    process = supervise("signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(600)")
    forked = psutil.Process(int(first_line(process)))
    process.kill()
    process.communicate()
    wait_for(lambda: not forked.is_running() or forked.status() == psutil.STATUS_ZOMBIE, what="the child to be gone")


def test_a_process_that_is_to_die_with_its_parent_does(supervise: Supervise, logs: Path) -> None:
    script = """
from workers.supervisor.forked import die_with
parent = os.getpid()
if os.fork() == 0:
    os.setpgid(0, 0)
    die_with(parent)
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""
    process = supervise(script)
    parent = psutil.Process(int(first_line(process)))
    grandchild = psutil.Process(int(wait_for((logs / "one.log").read_text, what="the grandchild")))
    parent.kill()
    wait_for(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE, what="its end")
