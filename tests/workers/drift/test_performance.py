"""A model that became worse on fresh audit labels is noticed, one that did not hardly ever, and an alarm ends."""

import json
from dataclasses import replace

import numpy as np
from scipy.stats import binom

from tests.workers.drift.audited import CLASSES, said, together
from workers.drift import performance
from workers.drift.performance import Course, Finding, Said

GIVEN = 0.03


def advance(course: Course, answers: Said, look: int, *, given: float = 0.002) -> tuple[Course, list[Finding]]:
    return performance.advance(course, answers, classes=CLASSES, exclusive=True, given=given, look=look)


def watch(looks: int, *, seed: int, worse_from: int | None = None, items: int = 25) -> int | None:
    """The look that raises an alarm, if any does."""
    parts = [said(200, look=0, seed=1_000 * seed)]
    course, _ = advance(Course(), parts[0], 0)
    for look in range(1, looks + 1):
        is_worse = worse_from is not None and look >= worse_from
        parts.append(said(items, look=look, seed=1_000 * seed + look, wrong=0.5 if is_worse else 0.0))
        course, _ = advance(course, together(*parts), look, given=GIVEN if look == 1 else 0.002)
        if course.open:
            return look
    return None


def test_labels_as_before_raise_hardly_ever_an_alarm() -> None:
    raised = sum(watch(6, seed=seed, items=50) is not None for seed in range(20))
    assert raised <= binom.ppf(0.999, 20, GIVEN + 5 * 0.002 + 0.05)


def test_labels_that_changed_meaning_are_noticed_within_a_few_looks() -> None:
    found = [watch(14, seed=seed, worse_from=5) for seed in range(8)]
    assert all(look is not None and look >= 5 for look in found)


def test_an_alarm_is_over_once_the_newest_answers_are_as_good_as_at_the_reference() -> None:
    parts = [said(200, look=0, seed=7), said(120, look=1, seed=8, wrong=0.6)]
    course, _ = advance(Course(), parts[0], 0)
    course, found = advance(course, together(*parts), 1, given=GIVEN)
    assert "error" in course.open
    [error] = [one for one in found if one.kind == "error"]
    assert error.alarm
    assert error.now is not None
    assert error.now.value > error.limit > error.reference
    parts.append(said(150, look=2, seed=9))
    course, found = advance(course, together(*parts), 2)
    assert "error" not in course.open
    assert sum(course.fortunes["error"]) == 0.0


def test_a_level_is_never_raised_and_is_lowered_to_what_the_model_learned() -> None:
    bad, good = said(150, look=0, seed=3, wrong=0.3), said(160, look=1, seed=4)
    course, _ = advance(Course(), bad, 0)
    before = course.levels["error"]
    course, _ = advance(course, together(bad, good), 1, given=0.0)
    assert course.levels["error"].limit < before.limit
    much_worse = said(400, look=2, seed=5, wrong=0.5)
    after, _ = advance(course, together(bad, good, much_worse), 2, given=0.0)  # without bets there is no alarm
    assert after.settings == course.settings + 1
    assert after.levels["error"] == course.levels["error"]


def test_a_class_gets_a_level_once_twenty_answers_speak_of_it() -> None:
    few = said(100, look=0, seed=1)
    rare = np.flatnonzero(few.targets[:, 2])
    kept = np.setdiff1d(np.arange(100), rare[5:])
    course, _ = advance(Course(), few.part(np.isin(np.arange(100), kept)), 0)
    assert "recall:rare" not in course.levels
    assert "recall:common" in course.levels
    more = said(300, look=1, seed=2)
    course, _ = advance(course, together(few, more), 1)
    assert "recall:rare" in course.levels


def test_the_order_of_answers_changes_nothing() -> None:
    parts = together(said(150, look=0, seed=1), said(60, look=1, seed=2, wrong=0.2))
    order = np.random.default_rng(0).permutation(210)
    shuffled = Said(*(getattr(parts, name)[order] for name in Said.__dataclass_fields__))
    for answers in (parts, shuffled):
        course, _ = advance(Course(), answers.part(answers.looks == 0), 0)
        course, found = advance(course, answers, 1, given=GIVEN)
        if answers is parts:
            first = course, found
    assert np.allclose(course.fortunes["error"], first[0].fortunes["error"])
    assert [(one.kind, one.label, one.alarm) for one in found] == [(one.kind, one.label, one.alarm) for one in first[1]]


def test_a_course_comes_back_from_json_as_it_was() -> None:
    parts = [said(150, look=0, seed=1), said(60, look=1, seed=2, wrong=0.9)]
    course, _ = advance(Course(), parts[0], 0)
    course, found = advance(course, together(*parts), 1, given=GIVEN)
    assert course.open
    assert Course.from_json(json.loads(json.dumps(course.as_json()))) == course
    assert json.dumps([one.as_json() for one in found])


def test_probabilities_that_are_too_sure_are_a_calibration_error() -> None:
    reference, fresh = said(300, look=0, seed=1), said(300, look=1, seed=2)
    course, _ = advance(Course(), reference, 0)
    sure = np.where(fresh.decided, 0.999, 0.0005).astype(np.float32)
    course, found = advance(course, together(reference, replace(fresh, probability=sure)), 1, given=0.5)
    [calibration] = [one for one in found if one.kind == "calibration"]
    assert calibration.now is not None
    assert calibration.now.value > calibration.reference
