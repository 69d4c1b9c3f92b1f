"""The tables count false alarms, what was found at equal rates, and how soon."""

import pytest

from scripts.bench.drift_loop.cases import FAR, NULL
from scripts.bench.drift_loop.record import Cell, Record
from scripts.bench.drift_loop.tables import exact_interval, find, report, threshold
from scripts.bench.drift_loop.timing import Cost, cost_table


def record(
    *, detector: str = "quietcorner", change: str = FAR, scores: tuple[float, ...], before: int, limit: float = 5.0
) -> Record:
    alarms = tuple(score > limit for score in scores)
    share = 0.05 if change == FAR else 0.0
    return Record(
        cell=Cell(set="hwu64", change=change, share=share, seed=7, detector=detector),
        before=before,
        scores=scores,
        alarms=alarms,
        raised=alarms,
        fit_s=0.1,
        window_s=(0.01,) * len(scores),
        machine="none",
        date="2026-11-27",
    )


def test_the_exact_interval_is_that_of_clopper_and_pearson() -> None:
    assert exact_interval(0, 1_000) == pytest.approx((0.0, 0.00368), abs=1e-5)
    assert exact_interval(1, 1_000) == pytest.approx((0.0000253, 0.00556), abs=1e-5)
    assert exact_interval(10, 10)[1] == 1.0


def test_the_threshold_lets_so_many_quiet_windows_through_and_is_unknown_with_too_few() -> None:
    quiet = record(change=NULL, scores=tuple(range(200)), before=200)
    assert threshold([quiet], 0.01) == 197.0
    assert threshold([record(scores=(1.0, 2.0, 9.0), before=2)], 0.01) is None


def test_a_delay_counts_windows_and_what_was_never_found_counts_one_more_than_there_are() -> None:
    soon, late, never = (record(scores=scores, before=1) for scores in ((0, 9, 0), (0, 0, 9), (9, 0, 0)))
    found = find([soon, late, never], None)
    assert (found.streams, found.first, found.missed) == (3, 1, 1)
    assert found.delay == pytest.approx((1 + 2 + 3) / 3)
    assert find([late], -1.0).first == 1


def test_the_report_has_a_row_for_each_detector_and_case() -> None:
    quiet = tuple(float(place % 50) / 10 for place in range(200))
    records = [
        record(detector=detector, change=change, scores=scores, before=before)
        for detector in ("quietcorner", "KS, Bonferroni")
        for change, scores, before in ((NULL, quiet, 200), (FAR, (0.0, 9.0), 1))
    ]
    printed = report(records)
    assert "| quietcorner | 200 | 0 | 0.00 % (0.00 to 1.83) |" in printed
    assert "| hwu64, far 5 % | 100 % | 100 % |" in printed
    assert "| hwu64, far 5 % | 1.0 | 1.0 |" in printed


def test_costs_are_told_as_parts_of_the_permutation_test() -> None:
    printed = cost_table(
        [Cost("quietcorner", 0.1, (0.01,), 12.0), Cost("MMD, permutations", 0.2, (0.4, 0.5, 0.6), 200.0)]
    )
    assert "| quietcorner | 10.0 | 10.0 to 10.0 | 50.0 | 12.0 | 0.10 |" in printed
