"""Passes over the rows of a large pool."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blocks import each_block


@given(count=st.integers(0, 300), size=st.integers(1, 64))
def test_every_row_is_in_one_block_of_the_size_that_was_asked_for(count: int, size: int) -> None:
    seen, lengths = np.zeros(count, dtype=np.int64), list[int]()

    def work(block: slice) -> None:
        seen[block] += 1
        lengths.append(len(seen[block]))

    each_block(count, size, work)
    assert (seen == 1).all()
    assert sum(length < size for length in lengths) <= 1
    assert max(lengths, default=0) <= size


@pytest.mark.parametrize("count", [3, 100])
def test_what_a_block_raises_is_raised(count: int) -> None:
    def work(block: slice) -> None:
        if block.start == 2:
            raise ValueError("row 2")

    with pytest.raises(ValueError, match="row 2"):
        each_block(count, 1, work)


def test_after_a_failure_no_block_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1})
    failed, begun = threading.Event(), list[int]()

    def work(block: slice) -> None:
        begun.append(block.start)
        if block.start == 0:
            failed.set()
            raise ValueError("row 0")
        failed.wait()
        time.sleep(0.2)

    with pytest.raises(ValueError, match="row 0"):
        each_block(100, 1, work)
    assert len(begun) < 10


@pytest.mark.parametrize(("cores", "wanted"), [(1, 1), (3, 3)])
def test_many_blocks_are_worked_on_by_as_many_threads_as_there_are_cores(
    cores: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(cores)))
    workers = set[int]()

    def work(_block: slice) -> None:
        workers.add(threading.get_ident())
        time.sleep(0.01)

    each_block(60, 1, work)
    assert len(workers) == wanted
