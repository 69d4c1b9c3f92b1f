"""An annotator or a source whose classes moved is told by an exact test; what chance does is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, fisher_exact

from workers.drift import annotators
from workers.drift.annotators import Answers

CLASSES, NAMES = ("common", "rare"), ("anna", "ben", "cleo")


def made_up(shares: dict[int, float], *, each: int = 120, seed: int = 0, strata: int = 2) -> Answers:
    """Answers of three annotators; a share of each one's is `rare`."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(3), each)
    rare = rng.random(3 * each) < np.array([shares.get(name, 0.1) for name in range(3)])[names]
    return Answers(np.arange(3 * each), names, np.column_stack([~rare, rare]), rng.integers(strata, size=3 * each))


def test_an_annotator_who_sees_twice_as_many_of_a_class_is_told_with_the_size_of_it() -> None:
    found = annotators.compare_annotators(made_up({1: 0.4}), names=NAMES, classes=CLASSES)
    moved = annotators.moved(found, risked=0.05)
    [ben] = [one for one in moved if one.label == "rare" and one.name == "ben"]
    assert ben.share == pytest.approx(0.4, abs=0.1)
    assert ben.expected == pytest.approx(0.1, abs=0.06)
    assert ben.answers == 120
    assert ben.as_json()["class"] == "rare"


def test_annotators_alike_are_hardly_ever_told_apart() -> None:
    raised = 0
    for seed in range(60):
        found = annotators.compare_annotators(made_up({}, seed=seed), names=NAMES, classes=CLASSES)
        raised += bool(annotators.moved(found, risked=0.05))
    assert raised <= binom.ppf(0.999, 60, 0.05)


def test_a_large_number_of_answers_does_not_make_a_small_difference_plain() -> None:
    found = annotators.compare_annotators(made_up({1: 0.13}, each=3_000), names=NAMES, classes=CLASSES)
    assert min(one.p for one in found) < 1e-3
    assert annotators.moved(found, risked=0.05) == []


def test_different_strata_explain_different_mixes() -> None:
    """Ben gets the likely items; within each stratum all answer alike."""
    rng = np.random.default_rng(0)
    names = np.repeat([0, 1], 300)
    likely = rng.random(600) < np.array([0.2, 0.8])[names]
    rare = rng.random(600) < np.where(likely, 0.5, 0.02)
    answers = Answers(np.arange(600), names, np.column_stack([~rare, rare]), likely.astype(np.int64))
    assert annotators.moved(annotators.compare_annotators(answers, names=NAMES, classes=CLASSES), risked=0.05) == []


def test_a_source_is_held_against_its_own_past() -> None:
    answers = made_up({0: 0.6}, each=200)  # a source of its own kind
    fresh = np.arange(600) % 2 == 0
    assert annotators.moved(annotators.compare_sources(answers, fresh, names=NAMES, classes=CLASSES), risked=0.05) == []
    changed = answers.targets.copy()
    changed[fresh & (answers.names == 2)] = [False, True]
    moved = annotators.moved(
        annotators.compare_sources(
            Answers(answers.items, answers.names, changed, answers.strata), fresh, names=NAMES, classes=CLASSES
        ),
        risked=0.05,
    )
    assert {(one.kind, one.name) for one in moved} == {("source", "cleo")}


@given(st.integers(0, 10_000), st.integers(4, 60))
@settings(max_examples=60, deadline=None)
def test_in_one_stratum_the_test_is_fishers_with_its_smaller_side_doubled(seed: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    inside, hit = rng.random(items) < 0.4, rng.random(items) < 0.3
    table = [[(inside & hit).sum(), (inside & ~hit).sum()], [(~inside & hit).sum(), (~inside & ~hit).sum()]]
    sides = [fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    expected = min(1.0, 2 * min(sides))
    assert annotators.exact_p(inside, hit, np.zeros(items, dtype=np.int64)) == pytest.approx(expected, abs=1e-9)


def test_agreement_counts_pairs_of_answers_to_one_item() -> None:
    yes, no = [False, True], [True, False]
    answers = Answers(
        np.array([1, 1, 1, 2, 2, 3]),
        np.array([0, 1, 2, 0, 1, 0]),
        np.array([yes, yes, no, no, no, yes]),
        np.zeros(6, dtype=np.int64),
    )
    found = annotators.agreement(answers, names=NAMES)
    assert found == {
        "anna": {"pairs": 3, "equal": 2},
        "ben": {"pairs": 3, "equal": 2},
        "cleo": {"pairs": 2, "equal": 0},
    }


def test_one_annotator_alone_and_few_answers_are_not_compared() -> None:
    alone = made_up({})
    alone = Answers(alone.items, np.zeros_like(alone.names), alone.targets, alone.strata)
    assert annotators.compare_annotators(alone, names=NAMES, classes=CLASSES) == []
    assert annotators.compare_annotators(made_up({}, each=10), names=NAMES, classes=CLASSES) == []
