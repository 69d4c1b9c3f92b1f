"""The leash: what is on it dies with its holder."""

import signal
import subprocess
import sys

import psutil
from hypothesis import given
from hypothesis import strategies as st

from tests.live import wait_for
from workers.supervisor.leash import Leash, still_held

_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

_HOLD_A_FAMILY = """
import subprocess, sys, time
from workers.supervisor.leash import Leash
leash = Leash()
command = ["sh", "-c", "trap '' TERM INT HUP; sleep 600 & wait"]
child = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
leash.hold(child.pid)
if "mend" in sys.argv:
    leash._process.kill()
    leash._process.wait()
    leash.mend()
print(child.pid, flush=True)
time.sleep(600)
"""


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9))))
def test_what_is_held_is_what_was_last_named_with_plus(told: list[tuple[bool, int]]) -> None:
    last_words = {group: held for held, group in told}
    lines = [f"{'+' if held else '-'}{group}\n" for held, group in told]
    assert still_held(lines) == {group for group, held in last_words.items() if held}


def test_a_child_that_named_itself_is_held_until_it_ends_or_was_never_started() -> None:
    assert still_held(["?1\n", "+1\n", "?2\n"]) == {1, 2}
    assert still_held(["?1\n", "-1\n"]) == set()
    assert still_held(["+1\n", "?2\n", "!\n"]) == {1}


def _family_after_kill_9(*arguments: str) -> list[psutil.Process]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD_A_FAMILY, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert holder.stdout is not None
    shell = psutil.Process(int(holder.stdout.readline()))
    family = [shell, *wait_for(shell.children, what="the shell's sleep")]
    holder.kill()
    holder.communicate()
    return family


def test_children_and_their_children_die_with_a_holder_that_is_killed() -> None:
    assert psutil.wait_procs(_family_after_kill_9(), timeout=20)[1] == []


def test_a_leash_that_was_killed_itself_is_mended() -> None:
    assert psutil.wait_procs(_family_after_kill_9("mend"), timeout=20)[1] == []


def test_what_was_released_lives_on() -> None:
    leash = Leash()
    child = subprocess.Popen(_SLEEP, start_new_session=True)
    try:
        leash.hold(child.pid)
        leash.release(child.pid)
        leash.close()
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_signals_to_the_whole_family_do_not_end_the_leash_early() -> None:
    leash = Leash()
    child = subprocess.Popen(_SLEEP, start_new_session=True)
    leash.hold(child.pid)
    other_end = psutil.Process(leash._process.pid)
    wait_for(lambda: _ignores(other_end, signal.SIGTERM), what="the other end to ignore SIGTERM")
    other_end.terminate()
    leash.close()
    assert child.wait(20) == -signal.SIGKILL


def _ignores(process: psutil.Process, number: int) -> bool:
    with open(f"/proc/{process.pid}/status") as status:
        ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn"))
    return bool(ignored & (1 << (number - 1)))


def test_the_other_end_leaves_no_process_behind() -> None:
    leash = Leash()
    pid = leash._process.pid
    leash.close()
    assert not psutil.pid_exists(pid)
