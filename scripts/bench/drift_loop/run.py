"""Showing streams to detectors."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from scripts.bench.drift_loop.cases import MADE_UP, MIX, NULL, Case
from scripts.bench.drift_loop.packages import Outside
from scripts.bench.drift_loop.peers import PEERS, Fit, Verdict, predictions, source_test
from scripts.bench.drift_loop.product import NAME, quietcorner
from scripts.bench.drift_loop.record import Cell, Record
from scripts.bench.drift_loop.streams import Stream

DETECTORS: dict[str, Fit] = {NAME: quietcorner, **PEERS}


def applies(detector: str, case: Case) -> bool:
    """Whether a detector can see anything of a case: predictions need labels, sources more than one."""
    fit = DETECTORS.get(detector)
    if fit is predictions:
        return case.set != MADE_UP
    if fit is source_test:
        return case.change == MIX or (case.change == NULL and case.set in (MADE_UP, "crisislex_t26", "crisislex_t6"))
    return True


def cells_of(cases: Sequence[Case], seeds: Sequence[int], detectors: Sequence[str]) -> list[Cell]:
    """All cells, seed after seed, so that what an interrupted run leaves is even over the cases."""
    return [
        Cell(set=case.set, change=case.change, share=case.share, seed=seed, detector=detector)
        for seed in seeds
        for case in cases
        for detector in detectors
        if applies(detector, case)
    ]


def show(stream: Stream, cells: Sequence[Cell], *, machine: str, outside: Outside | None = None) -> Iterator[Record]:
    """Show one stream to the detectors of its cells, one after another; those of packages live outside."""
    for cell in cells:
        if cell.detector in DETECTORS:
            fit_s, verdicts, window_s = _inside(stream, cell)
        elif outside is not None and cell.detector in outside.detectors:
            said = outside.show(cell.detector, stream, seed=cell.seed)
            verdicts = [Verdict(one["score"], one["alarm"]) for one in said["windows"]]
            fit_s, window_s = said["fit_s"], [one["s"] for one in said["windows"]]
        else:
            continue
        yield Record(
            cell=cell,
            before=stream.before,
            scores=tuple(verdict.score for verdict in verdicts),
            alarms=tuple(verdict.alarm for verdict in verdicts),
            raised=tuple(verdict.alarm if verdict.raised is None else verdict.raised for verdict in verdicts),
            fit_s=round(fit_s, 5),
            window_s=tuple(round(seconds, 5) for seconds in window_s),
            machine=machine,
            date=datetime.now(UTC).date().isoformat(),
            shares=stream.shares,
        )


def _inside(stream: Stream, cell: Cell) -> tuple[float, list[Verdict], list[float]]:
    started = time.perf_counter()
    watch = DETECTORS[cell.detector](stream, np.random.default_rng(cell.seed))
    fit_s, verdicts, window_s = time.perf_counter() - started, [], []
    for window in stream.windows:
        started = time.perf_counter()
        verdicts.append(watch(window))
        window_s.append(time.perf_counter() - started)
    return fit_s, verdicts, window_s
