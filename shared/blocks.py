"""Passes over the rows of a large pool: block by block, so that what is computed stays in the processor's cache, and on
all cores, as NumPy lets others run while it computes.

Unlike the threads of a product, which wait for each other at its end, these take one block after the other until none
is left, so a round on busy cores loses nothing by them. Products should have one thread each meanwhile.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

# Starting threads takes a tenth of the time of a block; a pass of fewer is over soon.
_FEWEST = 4
# Beyond, what is left to one thread (Python itself, the memory's bandwidth) is what a pass takes.
_MOST_THREADS = 8


def each_block(count: int, size: int, work: Callable[[slice], None]) -> None:
    """Call `work` for every block of `size` of so many rows, in no certain order and several at once.

    Args:
        count: Rows.
        size: Of a block; the last one may be smaller.
        work: Reads what no block writes, and writes only the rows of its own. What it raises is raised here.
    """
    waiting = deque(slice(start, min(start + size, count)) for start in range(0, count, size))
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    if len(waiting) < _FEWEST or threads == 1:
        _work_off(waiting, work)
        return
    with ThreadPoolExecutor(threads - 1, "blocks") as pool, _ending(waiting):
        others = [pool.submit(copy_context().run, _work_off, waiting, work) for _ in range(threads - 1)]
        _work_off(waiting, work)
        for one in others:
            one.result()


def _work_off(waiting: deque[slice], work: Callable[[slice], None]) -> None:
    """Take block after block."""
    with _ending(waiting):
        while True:
            try:
                block = waiting.popleft()
            except IndexError:
                return
            work(block)


@contextmanager
def _ending(waiting: deque[slice]) -> Iterator[None]:
    """After a failure, or a signal, nobody takes another block."""
    try:
        yield
    except BaseException:
        waiting.clear()
        raise
