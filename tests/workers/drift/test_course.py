"""When a campaign is over, and when changed answers put labels around in doubt."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.campaigns import Origin
from workers.drift.course import Course, ended, unexplained
from workers.drift.outcome import around, puts_in_doubt

RUNNING = Course(origin=Origin.DRIFT, budget=20, spent=4, open=3, left=13, refused=False, unexplained=0.9, alarmed=None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"spent": 20, "open": 0, "left": 0}, "its budget is spent"),
        ({"unexplained": 0.1}, None),
        ({"spent": 10, "unexplained": 0.1}, "the shift is explained: 90% of the affected items"),
        ({"spent": 10, "unexplained": 0.5}, None),
        ({"spent": 10, "unexplained": 0.1, "origin": Origin.PERSON}, None),
        ({"spent": 10, "origin": Origin.PERFORMANCE, "alarmed": False}, "the model is as good as before"),
        ({"spent": 9, "origin": Origin.PERFORMANCE, "alarmed": False}, None),
        ({"spent": 10, "origin": Origin.PERFORMANCE, "alarmed": True}, None),
        ({"open": 0, "left": 0}, "nothing is left to ask for: 4 of 20"),
        ({"open": 1, "left": 0}, None),
        ({"open": 0, "refused": True}, "caps let none of the 13 items that are left"),
        ({"open": 1, "refused": True}, None),
    ],
)
def test_a_campaign_is_over_for_one_of_these_reasons(changes: dict[str, object], reason: str | None) -> None:
    found = ended(replace(RUNNING, **changes))  # type: ignore[arg-type] # any field
    assert found is None if reason is None else str(found).startswith(reason)


@given(st.integers(1, 30), st.integers(0, 40), st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_what_has_spent_its_budget_or_has_nothing_left_never_goes_on(
    budget: int, spent: int, waiting: int, left: int, refused: bool
) -> None:
    course = Course(Origin.DOUBT, budget, spent, waiting, left, refused, None, None)
    assert (ended(course) is not None) == (spent >= budget or (not waiting and (not left or refused)))


def test_an_item_is_explained_by_its_own_label_or_by_one_near_to_it() -> None:
    affected = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], dtype=np.float32)
    known = np.array([False, False, False, True])
    assert unexplained(affected, np.array([[1, 0]], dtype=np.float32), known, near=0.7) == 0.25
    assert unexplained(affected, np.array([[1, 0]], dtype=np.float32), known, near=0.9) == 0.5
    assert unexplained(affected, affected[:0], known, near=0.9) == 0.75
    assert unexplained(affected[:0], affected, known[:0], near=0.9) is None


@pytest.mark.parametrize(("again", "changed", "doubt"), [(4, 4, False), (5, 1, True), (20, 2, False), (20, 3, True)])
def test_fifteen_in_a_hundred_changed_answers_put_the_labels_around_in_doubt(
    again: int, changed: int, doubt: bool
) -> None:
    assert puts_in_doubt(again, changed) is doubt


def test_around_are_the_labeled_items_that_are_near_enough() -> None:
    labeled = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    assert around(labeled[:1], labeled, near=0.7).tolist() == [True, True, False]
    assert around(labeled[:0], labeled, near=0.7).tolist() == [False, False, False]
