"""Thresholds reach what they can reach and give up as little else as can be, and the check tells how that went."""

from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import expit, log_softmax

from shared.pool import Mask
from shared.training_options import Goal
from workers.training.calibration import Doubles
from workers.training.decision import best_offsets, decide
from workers.training.goals import at_recall, check_goal, goal_offsets, margins
from workers.training.metrics import Interval

# Few values, so that ties are common.
_coarse = st.integers(-4, 4).map(lambda number: number / 2)
_fine = st.floats(-8, 8, width=32)
shapes = array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
odds_of_any_kind = arrays(np.float64, shapes, elements=_coarse) | arrays(np.float64, shapes, elements=_fine)
shares = st.floats(0.05, 1.0)


def scored(odds: Doubles, *, exclusive: bool) -> tuple[Doubles, Doubles]:
    """Scores to decide by, and the probabilities that belong to them."""
    scores = log_softmax(odds, axis=1) if exclusive else odds
    return scores, np.exp(scores) if exclusive else expit(scores)


def expected(decided: Mask, probability: Doubles) -> tuple[float, float]:
    """Recall and precision of decisions for one class (n,); a precision of 1 where nothing is decided."""
    hits = float((decided * probability).sum())
    return hits / float(probability.sum()), hits / int(decided.sum()) if decided.any() else 1.0


def every_cut(scores: Doubles, column: int, *, exclusive: bool) -> list[tuple[float, float]]:
    """Recall and precision of every threshold on one class, by hand."""
    probability = np.exp(scores) if exclusive else expit(scores)
    lead = margins(scores, exclusive=exclusive)[:, column]
    cuts = np.unique(lead)
    cuts = cuts[np.diff(cuts, prepend=-np.inf) > 1e-5]
    return [expected(lead >= cut, probability[:, column]) for cut in cuts]


def reached(scores: Doubles, goal: Goal, *, exclusive: bool) -> tuple[float, float]:
    """Recall and precision of the first class once its offset is the goal's."""
    probability = np.exp(scores) if exclusive else expit(scores)
    offsets = goal_offsets(probability, scores, np.zeros(scores.shape[1]), {0: goal}, exclusive=exclusive)
    return expected(decide(scores + offsets, exclusive=exclusive)[:, 0], probability[:, 0])


@given(odds=odds_of_any_kind, recall=shares, exclusive=st.booleans())
@settings(max_examples=150, deadline=None)
def test_of_the_thresholds_with_a_wanted_recall_the_strictest_is_taken(
    odds: Doubles, recall: float, exclusive: bool
) -> None:
    scores, _ = scored(odds, exclusive=exclusive)
    found, _ = reached(scores, Goal(recall=recall), exclusive=exclusive)
    by_hand = [cut for cut, _ in every_cut(scores, 0, exclusive=exclusive)]
    assert found == pytest.approx(min(cut for cut in by_hand if cut >= recall - 1e-9), abs=1e-9)


@given(odds=odds_of_any_kind, precision=shares, exclusive=st.booleans())
@settings(max_examples=150, deadline=None)
def test_of_the_thresholds_with_a_wanted_precision_the_loosest_is_taken(
    odds: Doubles, precision: float, exclusive: bool
) -> None:
    scores, _ = scored(odds, exclusive=exclusive)
    recall, found = reached(scores, Goal(precision=precision), exclusive=exclusive)
    by_hand = every_cut(scores, 0, exclusive=exclusive)
    able = [cut for cut in by_hand if cut[1] >= precision - 1e-9]
    if able:
        assert recall == pytest.approx(max(cut[0] for cut in able), abs=1e-9)
    else:
        assert found == pytest.approx(max(cut[1] for cut in by_hand), abs=1e-9)


@given(odds=odds_of_any_kind, recall=shares, precision=shares, exclusive=st.booleans())
@settings(max_examples=200, deadline=None)
def test_both_are_reached_where_they_can_be_and_else_the_recall_is(
    odds: Doubles, recall: float, precision: float, exclusive: bool
) -> None:
    scores, _ = scored(odds, exclusive=exclusive)
    found = reached(scores, Goal(recall=recall, precision=precision), exclusive=exclusive)
    by_hand = every_cut(scores, 0, exclusive=exclusive)
    both = [cut for cut in by_hand if cut[0] >= recall - 1e-9 and cut[1] >= precision - 1e-9]
    if both:
        best = max(2 * r * p / (r + p) for r, p in both)
        assert 2 * found[0] * found[1] / (found[0] + found[1]) == pytest.approx(best, abs=1e-9)
    else:
        least = min(cut[0] for cut in by_hand if cut[0] >= recall - 1e-9)
        assert found[0] == pytest.approx(least, abs=1e-9)


@given(odds=odds_of_any_kind, recall=shares, exclusive=st.booleans())
@settings(max_examples=60, deadline=None)
def test_classes_without_a_goal_keep_their_offsets(odds: Doubles, recall: float, exclusive: bool) -> None:
    scores, probability = scored(odds, exclusive=exclusive)
    given_offsets = best_offsets(scores, exclusive=exclusive)
    goals = {0: Goal(recall=recall)}
    found = goal_offsets(probability, scores, given_offsets, goals, exclusive=exclusive)
    assert np.array_equal(found[1:], given_offsets[1:])
    assert np.isfinite(found).all()


def test_two_goals_of_classes_that_exclude_each_other_are_both_reached_where_there_is_room() -> None:
    rng = np.random.default_rng(0)
    scores = log_softmax(3 * rng.normal(size=(4_000, 4)) + [3.0, 0.0, 0.0, -1.0], axis=1)
    probability = np.exp(scores)
    goals = {1: Goal(recall=0.9), 3: Goal(recall=0.8)}
    offsets = goal_offsets(probability, scores, np.zeros(4), goals, exclusive=True)
    decided = decide(scores + offsets, exclusive=True)
    for column, goal in goals.items():
        assert expected(decided[:, column], probability[:, column])[0] == pytest.approx(goal.recall, abs=0.02)


def test_goals_that_contradict_each_other_leave_finite_offsets_and_the_last_one_its_recall() -> None:
    rng = np.random.default_rng(0)
    scores = log_softmax(rng.normal(size=(500, 3)), axis=1)
    probability = np.exp(scores)
    goals = {0: Goal(recall=0.95), 1: Goal(recall=0.95)}
    offsets = goal_offsets(probability, scores, np.zeros(3), goals, exclusive=True)
    assert np.isfinite(offsets).all()
    decided = decide(scores + offsets, exclusive=True)
    assert expected(decided[:, 1], probability[:, 1])[0] >= 0.95


@pytest.mark.parametrize("exclusive", [True, False])
def test_one_class_and_one_item_are_no_trouble(exclusive: bool) -> None:
    for shape in ((1, 1), (3, 1), (1, 3)):
        scores, probability = scored(np.zeros(shape), exclusive=exclusive)
        found = goal_offsets(probability, scores, np.zeros(shape[1]), {0: Goal(recall=0.9)}, exclusive=exclusive)
        assert np.isfinite(found).all()
        assert decide(scores + found, exclusive=exclusive)[:, 0].all()


@given(odds=odds_of_any_kind, exclusive=st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_sign_of_a_margin_is_the_decision(odds: Doubles, exclusive: bool) -> None:
    scores, _ = scored(odds, exclusive=exclusive)
    margin = margins(scores, exclusive=exclusive)
    assume(not exclusive or (margin != 0).all())
    assert np.array_equal(margin >= 0, decide(scores, exclusive=exclusive))


# --- the check --------------------------------------------------------------------------------------------------------


def ratio(part: Doubles, whole: Doubles, *, weights: Doubles, spread: float = 0.0) -> Interval | None:
    """A weighted ratio with an interval of a known half-width."""
    total = float(whole @ weights)
    value = float(part @ weights) / total if total else 0.0
    return Interval(value, value - spread, value + spread) if total else None


def checked(
    truth: list[int], margin: list[float], goal: Goal, *, weights: list[float] | None = None, spread: float = 0.0
) -> dict[str, object]:
    weight = np.array(weights or [1.0] * len(truth))
    lead = np.array(margin)
    return check_goal(
        "fraud",
        goal,
        truth=np.array(truth, dtype=bool),
        decided=lead >= 0,
        margin=lead,
        weights=weight,
        recall=ratio(np.array(truth) * (lead >= 0.0), np.array(truth, dtype=np.float64), weights=weight, spread=spread),
        ratio=partial(ratio, weights=weight, spread=spread),
    )


# Five of the class; the three highest are of it, the next is not, and then the fourth.
_TRUTH = [1, 1, 1, 0, 1, 0, 1, 0, 0, 0]
_MARGIN = [5.0, 4.0, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0, -4.0, -5.0]


def test_a_goal_that_is_met_is_said_to_be_met() -> None:
    found = checked(_TRUTH, _MARGIN, Goal(recall=0.75, precision=0.75), spread=0.03)
    assert found["met"] is True
    assert found["wanted"] == {"recall": 0.75, "precision": 0.75}
    assert found["recall"] == {"value": 0.8, "low": pytest.approx(0.77), "high": pytest.approx(0.83)}
    assert found["sentence"] == (
        "fraud: recall 0.80 (0.77 to 0.83) and precision 0.80 (0.77 to 0.83) on 10 audit items, 5 of them fraud: "
        "the goal is met."
    )


def test_an_interval_that_reaches_below_the_goal_is_not_kept_quiet() -> None:
    found = checked(_TRUTH, _MARGIN, Goal(recall=0.75), spread=0.1)
    assert found["met"] is True
    assert str(found["sentence"]).endswith("the goal is met, though the intervals leave room for doubt.")


def test_a_goal_that_no_threshold_meets_is_told_by_the_precision_at_its_recall() -> None:
    found = checked(_TRUTH, _MARGIN, Goal(recall=1.0, precision=0.9), spread=0.05)
    assert found["met"] is False
    assert str(found["sentence"]).endswith(
        "the goal cannot be met: at recall 1.00 the precision is 0.71 (0.66 to 0.76)."
    )
    unsure = checked(_TRUTH, _MARGIN, Goal(recall=1.0, precision=0.9), spread=0.2)
    assert "can hardly be met: at recall 1.00" in str(unsure["sentence"])


def test_a_goal_that_another_threshold_would_meet_is_missed() -> None:
    found = checked(_TRUTH, _MARGIN, Goal(recall=0.6, precision=0.9), spread=0.05)
    assert found["met"] is False
    assert str(found["sentence"]).endswith("the goal is missed.")
    by_chance = checked(_TRUTH, _MARGIN, Goal(recall=0.6, precision=0.9), spread=0.2)
    assert str(by_chance["sentence"]).endswith("the goal is missed, though chance alone may explain it.")


def test_four_items_of_a_class_are_too_few_to_say() -> None:
    found = checked([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], _MARGIN, Goal(recall=0.5))
    assert found["met"] is None
    assert found["sentence"] == "fraud: not known yet: 4 audit items of fraud, at least 5 are needed."


def test_without_a_decision_a_precision_is_not_known_but_a_recall_is_missed() -> None:
    nothing = [value - 10 for value in _MARGIN]
    found = checked(_TRUTH, nothing, Goal(precision=0.5))
    assert found["met"] is None
    assert found["sentence"] == "fraud: not known yet: on 10 audit items nothing is decided to be fraud."
    missed = checked(_TRUTH, nothing, Goal(recall=0.5))
    assert missed["met"] is False
    assert "precision unknown" in str(missed["sentence"])


def test_items_count_as_much_as_they_stand_for() -> None:
    heavy = [1.0] * 6 + [16.0] + [1.0] * 3  # the one that is missed stands for sixteen
    assert checked(_TRUTH, _MARGIN, Goal(recall=0.75), weights=heavy)["met"] is False


@given(
    truth=st.lists(st.booleans(), min_size=1, max_size=20).filter(any),
    recall=st.floats(0.05, 1.0),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=150, deadline=None)
def test_no_threshold_with_the_recall_is_more_precise(truth: list[bool], recall: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    of_class, margin = np.array(truth), rng.integers(-3, 4, size=len(truth)).astype(np.float64)
    weights = rng.uniform(0.5, 3, size=len(truth))
    flagged = at_recall(of_class, margin, weights, recall)
    found = []
    for cut in np.unique(margin):
        above = margin >= cut
        hits = float((of_class & above) @ weights)
        found.append((hits / float(of_class @ weights), hits / float(above @ weights)))
    hits = float((of_class & flagged) @ weights)
    assert hits / float(of_class @ weights) >= recall - 1e-9
    best = max(precision for reached_recall, precision in found if reached_recall >= recall - 1e-9)
    assert hits / float(flagged @ weights) == pytest.approx(best)
