import sys
import time

import numpy as np
import pytest

from scripts.bench.selection_loop import meter as meters
from scripts.bench.selection_loop.meter import Meter


def test_it_is_a_clock() -> None:
    meter = Meter()
    started = meter()
    time.sleep(0.02)
    assert 0.02 <= meter() - started < 2.0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_it_sees_memory_that_was_given_back_before_it_looked() -> None:
    meter = Meter()
    meter()
    np.ones(60 * 2**20, dtype=np.uint8).sum()
    meter()
    meter()
    taken, then = meter.rises_mib[1:]
    assert taken is not None
    assert then is not None
    assert 50 < taken < 120
    assert then < 10


def test_where_the_system_does_not_tell_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(meters, "_RESET", tmp_path_factory.mktemp("proc") / "self" / "clear_refs")
    meter = Meter()
    assert meter() > 0
    assert meter.rises_mib == [None]
