"""No year risks more than its budget, whenever one looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.drift.spending import YEAR_S, full, save, spend


@given(st.lists(st.tuples(st.floats(0, 3 * YEAR_S), st.booleans()), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_no_year_risks_more_than_its_budget(looks: list[tuple[float, bool]], yearly: float) -> None:
    left, time, risked = full(yearly), 0.0, list[tuple[float, float]]()
    for pause, risks in looks:
        time += pause
        if not risks:
            left = save(left, elapsed_s=pause, yearly=yearly)
            continue
        part, left = spend(left, elapsed_s=pause, yearly=yearly)
        assert part >= 0
        risked.append((time, part))
    for begin, _ in risked:
        assert sum(part for at, part in risked if begin <= at < begin + YEAR_S) <= yearly * (1 + 1e-9)


def test_a_look_a_day_spends_in_time_what_comes_in() -> None:
    left, risked = full(0.4), list[float]()
    for _ in range(4 * 365):
        part, left = spend(left, elapsed_s=YEAR_S / 365, yearly=0.4)
        risked.append(part)
    assert sum(risked[:365]) <= 0.4
    assert sum(risked[-365:]) == pytest.approx(0.2, rel=0.01)


def test_the_first_look_risks_an_eighth_of_a_year_and_a_quiet_year_brings_that_back() -> None:
    part, left = spend(full(0.4), elapsed_s=0.0, yearly=0.4)
    assert (part, left) == pytest.approx((0.05, 0.15))
    again, _ = spend(left, elapsed_s=YEAR_S, yearly=0.4)
    assert again == pytest.approx(part)


def test_a_clock_that_goes_back_brings_nothing() -> None:
    assert spend(0.1, elapsed_s=-5.0, yearly=0.4) == spend(0.1, elapsed_s=0.0, yearly=0.4)


def test_what_looks_do_not_risk_is_there_for_the_next_one() -> None:
    _, left = spend(full(0.4), elapsed_s=0.0, yearly=0.4)
    saved = left
    for _ in range(30):
        saved = save(saved, elapsed_s=86_400.0, yearly=0.4)
    at_once, _ = spend(left, elapsed_s=31 * 86_400.0, yearly=0.4)
    in_the_end, _ = spend(saved, elapsed_s=86_400.0, yearly=0.4)
    assert in_the_end == pytest.approx(at_once)
