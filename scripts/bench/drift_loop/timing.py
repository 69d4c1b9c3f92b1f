"""Time and memory of one window of 1,000 against a reference of 5,000 x 384, as parts of the permutation MMD's.

Time is that of the processor, on one thread, so that what else the machine does counts less.
"""

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from scripts.bench.drift_loop.cases import FAR, MADE_UP, Case, make_stream
from scripts.bench.drift_loop.packages import Outside
from scripts.bench.drift_loop.peers import PEERS, exact_mmd, predictions
from scripts.bench.drift_loop.product import NAME, quietcorner
from scripts.bench.drift_loop.streams import Stream
from scripts.bench.selection_loop.markdown import number, table

_CASE, _TIMES, _MIB = Case(MADE_UP, FAR, 0.02), 5, 2**20
# Of the packages' detectors, which are dear, and which show their memory from outside.
_WINDOWS = 2


@dataclass(frozen=True)
class Cost:
    """What one window costs a detector.

    Attributes:
        name: Of the detector.
        fit_s: Seconds until it is ready.
        window_s: One entry a window.
        mib: Most memory that was taken beside what was held before.
    """

    name: str
    fit_s: float
    window_s: tuple[float, ...]
    mib: float


def time_a_window(python: Path | None) -> str:
    """A table of all detectors; of the packages' too where `python` has them."""
    stream = make_stream(_CASE, None, seed=0)
    return cost_table([*_inside(stream), *(_outside(stream, python) if python else ())])


def cost_table(costs: list[Cost]) -> str:
    """One row a detector: median, middle half, how many times faster than the permutation MMD, and memory."""
    base = median(next(cost for cost in costs if PEERS.get(cost.name) is exact_mmd).window_s)
    rows = []
    for cost in costs:
        middle = median(cost.window_s)
        low, _, high = quantiles(cost.window_s, n=4) if len(cost.window_s) > 1 else (middle, middle, middle)
        rows.append(
            [
                cost.name,
                number(1e3 * middle, 1),
                f"{1e3 * low:,.1f} to {1e3 * high:,.1f}",
                number(base / middle, 1),
                number(cost.mib, 1),
                number(cost.fit_s, 2),
            ]
        )
    head = ["detector", "ms a window", "middle half", "times as fast as the permutation MMD", "MiB", "s to get ready"]
    return table(head, rows)


def _inside(stream: Stream) -> Iterator[Cost]:
    for name, fit in {NAME: quietcorner, **PEERS}.items():
        if fit is predictions:
            continue  # made-up vectors have no labels
        started = time.process_time()
        watch = fit(stream, np.random.default_rng(0))
        fit_s, seconds = time.process_time() - started, []
        watch(stream.windows[0])  # what is kept between windows is made with the first
        for window in stream.windows[1:] * (1 if fit is not quietcorner else _TIMES):
            started = time.process_time()
            watch(window)
            seconds.append(time.process_time() - started)
        tracemalloc.start()
        watch(stream.windows[0])
        mib = tracemalloc.get_traced_memory()[1] / _MIB
        tracemalloc.stop()
        yield Cost(name, fit_s, tuple(seconds), mib)


def _outside(stream: Stream, python: Path) -> Iterator[Cost]:
    short = Stream(stream.reference, stream.windows[:_WINDOWS], _WINDOWS, stream.taught)
    with Outside(python) as packages:
        for name in packages.detectors:
            said = packages.show(name, short, seed=0)
            windows = said["windows"]
            yield Cost(name, said["fit_s"], tuple(one["s"] for one in windows), max(one["mib"] for one in windows))
