"""The tables of the drift bench."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from scripts.bench.drift_loop.cases import CASES, NULL, Case
from scripts.bench.drift_loop.product import NAME
from scripts.bench.drift_loop.record import Record
from scripts.bench.selection_loop.markdown import NOTHING, percent, table

# False alarms a window at which detectors are compared: about as rare as so many quiet windows can tell.
RATE = 0.01


@dataclass(frozen=True)
class Found:
    """What a detector found of a case at some threshold.

    Attributes:
        streams: How many.
        first: Of them with an alarm in the first window after the change.
        delay: Mean number of windows until the first alarm, the window of the alarm included.
        missed: Streams without any alarm; they count as one window more than there are.
    """

    streams: int
    first: int
    delay: float
    missed: int


def report(records: Sequence[Record]) -> str:
    """All tables."""
    parts = [
        "False alarms at the usual setting, in windows without a change:",
        false_alarms(records),
        f"Found in the first window with the change, at {percent(RATE)} false alarms a window for all:",
        _by_case(records, lambda found: percent(found.first / found.streams)),
        "Windows until the first alarm at the same rate, its own window included (≥: some streams ended first):",
        _by_case(records, lambda found: ("≥ " if found.missed else "") + f"{found.delay:.1f}"),
        f"`{NAME}` at its default setting:",
        at_default(records),
        _places(records),
    ]
    return "\n\n".join(parts)


def exact_interval(hits: int, of: int) -> tuple[float, float]:
    """Clopper and Pearson (1934), 95 %."""
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return low, high


def false_alarms(records: Sequence[Record]) -> str:
    """One row a detector: windows of null streams, those with an alarm, and the rate with its exact interval."""
    rows = []
    for detector in _detectors(records):
        alarms = [
            alarm
            for record in records
            if record.cell.detector == detector and record.cell.change == NULL
            for alarm in record.alarms
        ]
        if alarms:
            low, high = exact_interval(sum(alarms), len(alarms))
            rate = f"{percent(sum(alarms) / len(alarms), 2)} ({100 * low:.2f} to {100 * high:.2f})"
            rows.append([detector, f"{len(alarms):,}", str(sum(alarms)), rate])
    return table(["detector", "windows", "alarms", "rate"], rows)


def find(records: Sequence[Record], threshold: float | None) -> Found:
    """What the records of one detector and case show: above a threshold, or by their own alarms."""
    delays = []
    for record in records:
        after = slice(record.before, None)
        alarms = record.alarms[after] if threshold is None else [score > threshold for score in record.scores[after]]
        delays.append(next((number for number, alarm in enumerate(alarms, start=1) if alarm), len(alarms) + 1))
    length = len(records[0].scores) - records[0].before
    return Found(
        streams=len(records),
        first=sum(delay == 1 for delay in delays),
        delay=float(np.mean(delays)),
        missed=sum(delay > length for delay in delays),
    )


def threshold(records: Sequence[Record], rate: float) -> float | None:
    """The score beyond which lies such a share of the windows before a change; None with too few of them."""
    quiet = sorted(score for record in records for score in record.scores[: record.before])
    beyond = int(rate * len(quiet))
    return quiet[-1 - beyond] if beyond else None


def at_default(records: Sequence[Record]) -> str:
    """One row a case: what the product finds in the first window, and how soon."""
    rows = []
    for case in _cases(records):
        mine = _of(records, NAME, case)
        if mine:
            found = find(mine, None)
            low, high = exact_interval(found.first, found.streams)
            share = f"{percent(found.first / found.streams)} ({100 * low:.0f} to {100 * high:.0f})"
            rows.append(
                [
                    f"{case.set}, {case.name}",
                    str(found.streams),
                    share,
                    ("≥ " if found.missed else "") + f"{found.delay:.1f}",
                    str(found.missed),
                ]
            )
    return table(["case", "streams", "found in the first window", "windows until found", "never"], rows)


def _by_case(records: Sequence[Record], say: Callable[[Found], str]) -> str:
    detectors = _detectors(records)
    rows = []
    for case in _cases(records):
        row = [f"{case.set}, {case.name}"]
        for detector in detectors:
            mine = _of(records, detector, case)
            limit = threshold([r for r in records if r.cell.detector == detector and r.cell.set == case.set], RATE)
            row.append(say(find(mine, limit)) if mine and limit is not None else NOTHING)
        rows.append(row)
    return table(["case", *detectors], rows)


def _of(records: Sequence[Record], detector: str, case: Case) -> list[Record]:
    key = (detector, case.set, case.change, case.share)
    return [r for r in records if (r.cell.detector, r.cell.set, r.cell.change, r.cell.share) == key]


def _cases(records: Sequence[Record]) -> list[Case]:
    there = {(record.cell.set, record.cell.change, record.cell.share) for record in records}
    return [case for case in CASES if case.change != NULL and (case.set, case.change, case.share) in there]


def _detectors(records: Sequence[Record]) -> list[str]:
    there = dict.fromkeys(record.cell.detector for record in records)
    return sorted(there, key=lambda name: name != NAME)


def _places(records: Sequence[Record]) -> str:
    machines = sorted({record.machine for record in records})
    dates = sorted({record.date for record in records})
    seeds = sorted({record.cell.seed for record in records})
    return f"Seeds {seeds[0]} to {seeds[-1]}; {'; '.join(machines)}; {dates[0]} to {dates[-1]}."
