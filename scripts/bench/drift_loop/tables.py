"""The tables of the drift bench."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from scripts.bench.drift_loop.cases import CASES, NULL, Case
from scripts.bench.drift_loop.dated import DATED
from scripts.bench.drift_loop.product import NAME
from scripts.bench.drift_loop.record import Record
from scripts.bench.selection_loop.markdown import NOTHING, number, percent, table

# False alarms a window at which detectors are compared: about as rare as so many quiet windows can tell.
RATE = 0.01
_ONSETS = (0.02, 0.05)
_SPANS = {"2 to 5 %": (0.02, 0.05), "5 to 10 %": (0.05, 0.10), "10 % or more": (0.10, 1.01)}


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
        f"Events by date, at {percent(RATE)} false alarms a window and at the default setting:",
        by_date(records),
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
        alarms = _alarms(record, threshold)[after]
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


def by_date(records: Sequence[Record]) -> str:
    """One row a case by date and detector: windows until found once the new take 2 or 5 %, and how many were found."""
    rows = []
    for case in (case for case in CASES if case.change in DATED):
        for detector in _detectors(records):
            mine = _of(records, detector, case)
            limit = threshold([r for r in records if r.cell.detector == detector and r.cell.set == case.set], RATE)
            if mine and limit is not None:
                rows.append([f"{case.set}, {case.name}", detector, *_dated(mine, limit)])
            if mine and detector == NAME:
                rows.append([f"{case.set}, {case.name}", f"{NAME}, default", *_dated(mine, None)])
    head = ["case", "detector", "streams", *(f"windows from {percent(share)} on" for share in _ONSETS)]
    return table([*head, *(f"found of those with {span}" for span in _SPANS)], rows)


def onset_delay(record: Record, limit: float | None, share: float) -> tuple[int, bool] | None:
    """Windows from the first with such a share of what is new until the first alarm from there on, its own included.

    And whether there is an alarm: without one, the number is one more than there are. None where the share is never
    reached.
    """
    onset = next((place for place, new in enumerate(record.shares) if new >= share), None)
    if onset is None:
        return None
    alarms = _alarms(record, limit)[onset:]
    return next(((place, True) for place, alarm in enumerate(alarms, start=1) if alarm), (len(alarms) + 1, False))


def _dated(records: Sequence[Record], limit: float | None) -> list[str]:
    delays = [[onset_delay(record, limit, share) for record in records] for share in _ONSETS]
    seen = [(new, alarm) for r in records for new, alarm in zip(r.shares, _alarms(r, limit), strict=True)]
    return [
        str(len(records)),
        *(_mean_delay([one for one in some if one is not None]) for some in delays),
        *(_share_found([alarm for new, alarm in seen if low <= new < high]) for low, high in _SPANS.values()),
    ]


def _mean_delay(delays: Sequence[tuple[int, bool]]) -> str:
    if not delays:
        return NOTHING
    return ("" if all(found for _, found in delays) else "≥ ") + number(float(np.mean([late for late, _ in delays])), 1)


def _share_found(alarms: Sequence[bool]) -> str:
    return f"{sum(alarms)} of {len(alarms)}" if alarms else NOTHING


def _alarms(record: Record, limit: float | None) -> tuple[bool, ...]:
    return record.alarms if limit is None else tuple(score > limit for score in record.scores)


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
    apart = (NULL, *DATED)  # which have tables of their own
    return [case for case in CASES if case.change not in apart and (case.set, case.change, case.share) in there]


def _detectors(records: Sequence[Record]) -> list[str]:
    there = dict.fromkeys(record.cell.detector for record in records)
    return sorted(there, key=lambda name: name != NAME)


def _places(records: Sequence[Record]) -> str:
    machines = sorted({record.machine for record in records})
    dates = sorted({record.date for record in records})
    seeds = sorted({record.cell.seed for record in records})
    return f"Seeds {seeds[0]} to {seeds[-1]}; {'; '.join(machines)}; {dates[0]} to {dates[-1]}."
