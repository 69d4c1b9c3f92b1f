"""One `up` a data folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigError, DataFolderHeldError
from workers.supervisor import folder_lock

_HOLD_FOREVER = """
import sys, time
from pathlib import Path
from workers.supervisor import folder_lock
with folder_lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", _HOLD_FOREVER, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_holder_is_refused_and_told_whom_to_end(tmp_path: Path) -> None:
    holder = _holder(tmp_path / "data")
    try:
        with pytest.raises(DataFolderHeldError, match=rf"pid {holder.pid} .* since 20.*kill {holder.pid}"):
            folder_lock.hold(tmp_path / "data").__enter__()
    finally:
        holder.kill()
        holder.communicate()


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    holder = _holder(tmp_path)
    holder.kill()
    holder.communicate()
    with folder_lock.hold(tmp_path):
        assert re.search(rf'"pid": {os.getpid()}\b', (tmp_path / folder_lock.LOCK_NAME).read_text())


def test_the_folder_is_free_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_lock.hold(tmp_path):
            pass


def test_a_holder_that_has_not_signed_yet_is_respected_too(tmp_path: Path) -> None:
    with folder_lock.hold(tmp_path):
        (tmp_path / folder_lock.LOCK_NAME).write_text("")
        with pytest.raises(DataFolderHeldError, match="another `quietcorner up`"):
            folder_lock.hold(tmp_path).__enter__()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"file/data can't be written.*QUIETCORNER_DATA_DIR"):
        folder_lock.hold(tmp_path / "file" / "data").__enter__()
