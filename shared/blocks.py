"""Passes over the rows of a large pool: block by block, so that what is computed stays in the processor's cache, and on
all cores, as NumPy lets others run while it computes.

Unlike the threads of a product, which wait for each other at its end, these take one block after the other until none
is left, so a round on busy cores loses nothing by them. Products should have one thread each meanwhile.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Starting threads takes a tenth of the time of a block; a pass of fewer is over soon.
_FEWEST = 4
# Beyond, what is left to one thread (Python itself, the memory's bandwidth) is what a pass takes.
_MOST_THREADS = 8


def each_block(count: int, size: int, work: Callable[[slice], None]) -> None:
    """Call `work` for every block of `size` of so many rows, in no certain order and several at once.

    Args:
        count: Rows.
        size: Of a block; the last one may be smaller.
        work: Reads what no block writes, and writes only the rows of its own. What it raises is raised here. A NumPy
            error state of the caller does not hold in it.
    """
    blocks = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    if len(blocks) < _FEWEST or threads == 1:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(threads, "blocks") as pool:
        try:
            for _ in pool.map(work, blocks):
                pass
        except BaseException:  # a signal, too: what has not begun is not done any more
            pool.shutdown(wait=False, cancel_futures=True)
            raise
