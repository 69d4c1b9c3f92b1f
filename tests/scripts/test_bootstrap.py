import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_SCRIPTS = Path(__file__).parents[2] / "scripts"
_BASH = shutil.which("bash") or "bash"

# Stands in for the Python of `.venv`: notes what pip is asked to install, and is a real Python otherwise.
_STUB = """#!/bin/sh
if [ "$1 $2 $3" = "-m pip install" ]; then
  echo "$@" >> "{notes}"
  echo "Collecting something"
  echo "  Downloading something-1.0.whl (12.3 MB)"
  test ! -e "{broken}" || {{ echo "ERROR: no way to fetch it"; exit 1; }}
  exit 0
fi
exec "{python}" "$@"
"""


@dataclass
class House:
    """A folder with what the bootstrap needs, and a stub in place of the Python of its `.venv`."""

    root: Path

    @property
    def broken(self) -> Path:
        """While it exists, installing fails."""
        return self.root / "broken"

    def prepare(self, extra: str = "") -> subprocess.CompletedProcess[str]:
        script = f'set -euo pipefail; source "{self.root}/scripts/bootstrap.sh"; prepare_venv {extra}; echo ready'
        return subprocess.run([_BASH, "-c", script], cwd="/", capture_output=True, text=True, check=False)

    @property
    def installs(self) -> list[str]:
        notes = self.root / "notes"
        return notes.read_text().splitlines() if notes.exists() else []


@pytest.fixture
def house(tmp_path: Path) -> House:
    root = tmp_path / "a house"
    (root / "scripts").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(_SCRIPTS / "bootstrap.sh", root / "scripts")
    (root / "scripts" / "constraints.txt").write_text("something==1.0\n")
    (root / "pyproject.toml").write_text("[project]\n")
    stub = root / ".venv" / "bin" / "python"
    stub.write_text(_STUB.format(notes=root / "notes", broken=root / "broken", python=sys.executable))
    stub.chmod(0o755)
    return House(root)


def test_the_first_start_installs_under_the_constraints_and_the_second_does_nothing(house: House) -> None:
    first, second = house.prepare(), house.prepare()

    assert len(house.installs) == 1
    assert f"-c {house.root}/scripts/constraints.txt -e {house.root}" in house.installs[0]
    assert "something-1.0.whl (12.3 MB)" in first.stdout
    assert second.stdout == "ready\n"


def test_a_failed_install_says_why_and_is_taken_up_again(house: House) -> None:
    house.broken.touch()
    failed = house.prepare()
    house.broken.unlink()

    assert failed.returncode != 0
    assert "ready" not in failed.stdout
    assert "no way to fetch it" in failed.stderr
    assert house.prepare().returncode == 0
    assert len(house.installs) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "scripts/constraints.txt"])
def test_changed_requirements_are_installed(house: House, name: str) -> None:
    house.prepare()
    with (house.root / name).open("a") as file:
        file.write("# changed\n")

    house.prepare()
    assert len(house.installs) == 2


def test_the_test_tools_are_added_once_and_bring_all_that_the_demo_needs(house: House) -> None:
    house.prepare("test")
    house.prepare("test")
    house.prepare()

    assert len(house.installs) == 1
    assert house.installs[0].endswith(f"-e {house.root}[test]")


def test_the_demo_alone_does_not_count_as_having_the_test_tools(house: House) -> None:
    house.prepare()
    house.prepare("test")

    assert len(house.installs) == 2


def test_without_a_python_that_will_do_it_says_which_to_install(house: House, tmp_path: Path) -> None:
    shutil.rmtree(house.root / ".venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    script = f'set -euo pipefail; source "{house.root}/scripts/bootstrap.sh"; prepare_venv'
    done = subprocess.run(
        [tools / "bash", "-c", script],
        env={**os.environ, "PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Python 3.11" in done.stderr
