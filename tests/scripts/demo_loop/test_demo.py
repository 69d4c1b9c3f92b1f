import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

_ROOT = Path(__file__).parents[3]
_LIMIT_S = 600.0

pytestmark = pytest.mark.live


def test_the_demo_finds_more_fraud_than_chance_and_notices_the_new_kind(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        said, _ = demo.communicate(timeout=_LIMIT_S)

    assert demo.returncode == 0, said
    assert "Drift: noticed" in said
    found, at_random = _all_fraud(said)
    assert found > at_random
    assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8").lower()
    assert _left_over(tmp_path) == []
    assert not list(tmp_path.glob("quietcorner-demo-*"))


def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        _wait_for_processes(demo)
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=_LIMIT_S)

    assert demo.returncode == 130, said
    assert _left_over(tmp_path) == []
    assert not list(tmp_path.glob("quietcorner-demo-*"))


def test_a_demo_whose_workers_were_killed_says_so_and_keeps_its_logs(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        _wait_for_processes(demo)
        next(process for process, words in _children(demo).items() if words[-1:] == ["up"]).kill()
        said, _ = demo.communicate(timeout=_LIMIT_S)

    assert demo.returncode == 1
    assert "`quietcorner up` ended unexpectedly" in said
    assert "up.log" in said
    assert _left_over(tmp_path) == []
    assert list(tmp_path.glob("quietcorner-demo-*/demo-logs/up.log"))


@contextmanager
def _demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "scripts.demo_loop", "--fast", "--out", str(folder / "out")]
    demo = subprocess.Popen(
        command,
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        # A shell's background job would hand on that it hears no Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield demo
    finally:
        demo.kill()
        demo.wait()


def _children(demo: subprocess.Popen[str]) -> dict[psutil.Process, list[str]]:
    """The demo's children that have not ended, with their command lines."""
    found = {}
    for process in psutil.Process(demo.pid).children():
        with suppress(psutil.NoSuchProcess):  # a zombie is one too
            found[process] = process.cmdline()
    return found


def _wait_for_processes(demo: subprocess.Popen[str]) -> None:
    """Until `up` with its workers and all annotators run."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline and demo.poll() is None:
        children = _children(demo)
        annotators = [words for words in children.values() if "annotator_example.py" in " ".join(words)]
        company = [child for child, words in children.items() if words[-1:] == ["up"]]
        if len(annotators) == 3 and company and len(company[0].children()) > 5:
            return
        time.sleep(0.1)
    raise AssertionError("the demo's processes did not come up")


def _left_over(folder: Path) -> list[str]:
    """Processes that still work in the demo's folders: a worker's name for itself hides its environment."""
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline", "environ", "open_files"])
        if str(folder) in " ".join([*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values()])
        or any(file.path.startswith(str(folder)) for file in process.info["open_files"] or [])
    ]


def _all_fraud(said: str) -> tuple[float, float]:
    """What the final table says of all fraud: found, and found at random on average."""
    row = next(line for line in said.splitlines() if "all fraud" in line)
    _, _, found, at_random, _, _ = row.split("│")
    return float(found.split()[0]), float(at_random.split()[0])
