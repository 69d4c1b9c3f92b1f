"""Children, with small stand-ins for the workers."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live import wait_for
from workers.supervisor import processes
from workers.supervisor.command import Command
from workers.supervisor.leash import Leash
from workers.supervisor.processes import Children, last_line, restart_delay_s

_SUPERVISE_FOREVER = """
import sys, time
from pathlib import Path
from workers.supervisor.command import Command
from workers.supervisor.leash import Leash
from workers.supervisor.processes import Children
with Children(Path(sys.argv[1]), tell=print) as children:
    children.start(Command("plain", ("sleep", "600")))
    children.start(Command("stubborn", ("sh", "-c", "trap '' TERM; sleep 600 & wait; sleep 600")))
    print(children.pid("plain"), children.pid("stubborn"), flush=True)
    while True:
        children.tend()
        time.sleep(0.1)
"""

_START_ONE_AND_STOP_THERE = """
import sys, time
from pathlib import Path
from workers.supervisor.command import Command
from workers.supervisor.leash import Leash
from workers.supervisor.leash import Leash
from workers.supervisor.processes import Children

def stop_there(leash, group):
    print(group, flush=True)
    time.sleep(600)

Leash.hold = stop_there
program = Command("one", ("sleep", "600"))
function = Command("one", ("600",), main=lambda arguments: time.sleep(float(arguments[0])))
with Children(Path(sys.argv[1]), tell=print) as children:
    children.start({"program": program, "function": function}[sys.argv[2]])
"""


def _shell(name: str, script: str, *, serves_others: bool = False, **environment: str) -> Command:
    return Command(name, ("sh", "-c", script), environment, serves_others)


def _pid(children: Children, name: str) -> int:
    pid = children.pid(name)
    assert pid is not None
    return pid


def _tend_until(children: Children, condition: Callable[[], bool], *, what: str) -> None:
    def tend_and_look() -> bool:
        children.tend()
        return condition()

    wait_for(tend_and_look, what=what)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_output_goes_to_the_log_and_is_appended(logs: Path, told: list[str]) -> None:
    for word in ("one", "two"):
        with Children(logs, tell=told.append) as children:
            children.start(_shell("talker", 'echo "$WORD"; echo more >&2', WORD=word))
            wait_for(lambda: children.pid("talker") is None, what="the talker to end")
    assert (logs / "talker.log").read_text() == "one\nmore\ntwo\nmore\n"


def _sleepers(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for each in process.children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one too
            found += [each] if "600" in each.cmdline() else []
    return found


# Whether the kernel shares the cores among sessions, and only within one among processes.
_AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")


def test_a_patient_child_and_what_it_starts_stand_back(logs: Path, told: list[str]) -> None:
    mine = psutil.Process().nice()
    with Children(logs, tell=told.append) as children:
        children.start(_shell("eager", "sleep 600 & wait"))
        children.start(Command("patient", ("sh", "-c", "sleep 0.2; sleep 600 & wait"), niceness=3))
        for name, niceness in (("eager", mine), ("patient", min(mine + 3, 19))):
            process = psutil.Process(_pid(children, name))
            [sleeper] = wait_for(lambda: _sleepers(process), what="a child's child")  # noqa: B023 - called at once
            assert [each.nice() for each in (process, sleeper)] == [niceness, niceness]
            if _AUTOGROUPS.exists() and _AUTOGROUPS.read_text().strip() == "1":
                assert Path(f"/proc/{process.pid}/autogroup").read_text().endswith(f" nice {niceness}\n")


def test_a_child_that_dies_is_started_again_and_its_last_words_are_told(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        children.start(_shell("worker", "echo 'error: no such door' >&2; exit 3"))
        _tend_until(children, lambda: len(told) >= 3, what="two deaths")
    assert told[0] == "worker ended (exit code 3): error: no such door"
    assert told[1] == f"worker started again (log: {logs / 'worker.log'})"
    assert told[2] == told[0]


def test_a_killed_child_is_started_again_under_another_pid(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        children.start(Command("worker", ("sleep", "600")))
        first = _pid(children, "worker")
        os.kill(first, signal.SIGKILL)
        _tend_until(children, lambda: len(told) == 2, what="the second start")
        assert _pid(children, "worker") != first
    assert told[0] == "worker ended (SIGKILL)"


def test_what_a_killed_child_had_started_is_cleared_away(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        children.start(_shell("worker", "sleep 600 & wait"))
        worker = psutil.Process(_pid(children, "worker"))
        pool = wait_for(worker.children, what="the worker's pool")
        worker.kill()
        _tend_until(children, lambda: bool(told), what="the death to be seen")
        assert psutil.wait_procs(pool, timeout=20)[1] == []


def test_children_have_sessions_of_their_own_so_that_ctrl_c_does_not_reach_them(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        children.start(Command("worker", ("sleep", "600")))
        pid = _pid(children, "worker")
        assert os.getsid(pid) == os.getpgid(pid) == pid


def test_at_the_end_servers_go_last(logs: Path, told: list[str], tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = 'trap "sleep $WAIT; echo $NAME >> $ORDER; exit 0" TERM; echo up; while :; do sleep 0.05; done'
    with Children(logs, tell=told.append) as children:
        for name, wait, serves in (("server", "0", True), ("slow", "0.5", False), ("quick", "0", False)):
            children.start(_shell(name, script, serves_others=serves, NAME=name, WAIT=wait, ORDER=str(order)))
        wait_for(lambda: all(_says_up(logs, name) for name in ("server", "slow", "quick")), what="all to be up")
    assert order.read_text().split() == ["quick", "slow", "server"]
    assert told == []


def _says_up(logs: Path, name: str) -> bool:
    return "up" in (logs / f"{name}.log").read_text()


def _start_a_stubborn_child(children: Children, logs: Path) -> psutil.Process:
    children.start(_shell("stubborn", 'trap "" TERM; echo up; while :; do sleep 0.05; done'))
    wait_for(lambda: _says_up(logs, "stubborn"), what="the stubborn one to be up")
    return psutil.Process(_pid(children, "stubborn"))


def test_a_child_that_does_not_end_is_killed_after_its_grace(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        stubborn = _start_a_stubborn_child(children, logs)
        children.end(grace_s=0.2)
        assert not stubborn.is_running()
    assert told == ["stubborn did not end by itself and was killed"]


def test_a_second_wish_to_end_cuts_the_grace_short(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        stubborn = _start_a_stubborn_child(children, logs)
        children.end(grace_s=3600, hurry=lambda: True)
        assert not stubborn.is_running()


def test_an_error_in_the_block_leaves_no_child_behind(logs: Path, told: list[str]) -> None:
    started = []

    def start_and_fail() -> None:
        with Children(logs, tell=told.append) as children:
            children.start(Command("worker", ("sleep", "600")))
            started.append(psutil.Process(_pid(children, "worker")))
            raise KeyError

    with pytest.raises(KeyError):
        start_and_fail()
    assert not started[0].is_running()


def test_a_start_that_fails_is_tried_again(logs: Path, told: list[str], tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with Children(logs, tell=told.append) as children:
        children.start(Command("worker", (str(program),)))
        _tend_until(children, lambda: bool(told), what="the death")
        program.chmod(0o644)
        _tend_until(children, lambda: len(told) == 2, what="the start that fails")
        assert "can't be started" in told[1]
        program.chmod(0o755)
        _tend_until(children, lambda: len(told) == 3, what="the start that succeeds")
        assert "started again" in told[2]


def test_children_die_when_their_supervisor_is_killed(logs: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISE_FOREVER, str(logs)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    children = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
    family = [*children, *wait_for(children[1].children, what="the stubborn one's sleep")]
    supervisor.kill()
    supervisor.communicate()
    assert psutil.wait_procs(family, timeout=20)[1] == []


@given(st.integers(0, 10_000))
def test_the_delay_before_a_start_grows_to_a_bound(deaths: int) -> None:
    assert 0.5 <= restart_delay_s(deaths) <= restart_delay_s(deaths + 1) <= 10.0


def test_a_child_that_lived_long_starts_again_without_the_delay_of_its_past(
    logs: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_SETTLED_AFTER_S", 0.0)
    with Children(logs, tell=told.append) as children:
        children.start(_shell("worker", "exit 1"))
        _tend_until(children, lambda: len(told) >= 5, what="three deaths")
        assert children._children["worker"].deaths == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", ""), (b"one\ntwo\n\n \n", "two"), (b"x" * 9000 + b"\n", "x" * 200), (b"\xff\n", "\ufffd")],
)
def test_the_last_line_of_a_log(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "log").write_bytes(content)
    assert last_line(tmp_path / "log") == expected


@pytest.mark.parametrize("kind", ["program", "function"])
def test_a_child_dies_with_a_supervisor_that_is_killed_right_after_starting_it(logs: Path, kind: str) -> None:
    command = [sys.executable, "-c", _START_ONE_AND_STOP_THERE, str(logs), kind]
    supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert supervisor.stdout is not None
    child = psutil.Process(int(supervisor.stdout.readline()))
    try:
        supervisor.kill()
        supervisor.communicate()
        assert psutil.wait_procs([child], timeout=20)[1] == []
    finally:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def test_a_program_that_can_not_be_started_is_not_held(
    logs: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(Leash, "_write", lambda _leash, line: written.append(line))
    with Children(logs, tell=told.append) as children, pytest.raises(FileNotFoundError):
        children.start(Command("one", ("/no/such/program",)))
    assert written == [b"!\n"]  # what the child wrote it wrote in a process of its own


def test_a_program_starts_though_nobody_is_at_the_other_end_of_the_leash(logs: Path, told: list[str]) -> None:
    with Children(logs, tell=told.append) as children:
        children._leash._process.kill()
        children._leash._process.wait()
        children.start(_shell("one", "sleep 0.2; exit 7"))
        _tend_until(children, lambda: bool(told), what="its end")
    assert told[0] == "one ended (exit code 7)"


def test_a_log_that_was_moved_away_and_a_signal_without_a_name_do_not_end_the_others(
    logs: Path, told: list[str]
) -> None:
    with Children(logs, tell=told.append) as children:
        children.start(_shell("worker", f"rm {logs / 'worker.log'}; kill -40 $$"))
        _tend_until(children, lambda: any("signal 40" in line for line in told), what="a death")
