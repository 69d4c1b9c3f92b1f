"""Enough of a class is found when the audit sample bounds what is left, and the model expects little more."""

from dataclasses import replace

import numpy as np
import pytest

from tests.pools import make_pool
from tests.workers.selection.test_round import make_config
from workers.selection.round import RoundPlan, select
from workers.selection.stopping import Evidence, sentence, weigh_evidence
from workers.training.metrics import Interval
from workers.training.tuning import train


@pytest.mark.parametrize(
    ("evidence", "done"),
    [
        (Evidence(100, least=0.9, left=10, kappa=None), True),
        (Evidence(100, least=0.9, left=10, kappa=0.5), True),
        (Evidence(100, least=0.9, left=11, kappa=1.0), False),
        (Evidence(100, least=0.8, left=10, kappa=0.99), True),
        (Evidence(100, least=0.8, left=10, kappa=0.98), False),
        (Evidence(100, least=0.8, left=10, kappa=None), False),
        (Evidence(100, least=0.79, left=0, kappa=1.0), False),
        (Evidence(100, least=None, left=0, kappa=1.0), False),
        (Evidence(100, least=1.0, left=None, kappa=1.0), False),
        (Evidence(0, least=1.0, left=0, kappa=1.0), False),
    ],
)
def test_a_class_is_done_on_the_word_of_the_audit_sample_or_with_stable_decisions_on_less(
    evidence: Evidence, done: bool
) -> None:
    assert evidence.done == done


def test_the_evidence_is_told_in_words() -> None:
    assert sentence(Evidence(100, least=0.834, left=2.6, kappa=0.9964)) == (
        "at least 83 % is found, the model expects 3 more items, decisions have stopped to change (kappa 0.996)"
    )
    assert sentence(Evidence(3, least=None, left=None, kappa=None)) == (
        "too few audit items tell how much of it is found, no model expects more yet, "
        "too few models to say whether decisions still change"
    )


def test_what_is_found_is_compared_with_the_most_that_the_audit_sample_allows_for() -> None:
    pool, _ = make_pool(items=1_000, labeled=200)
    count = int(pool.label_counts[1])
    found = weigh_evidence(pool, None, [Interval(0.9, 0.85, 0.95), Interval(0.02, 0.01, count / 500)], None)[1]
    assert found.found == count
    assert found.least == pytest.approx(0.5)


def test_labels_of_one_duplicate_group_are_found_once() -> None:
    pool, truth = make_pool(items=100, labeled=40)
    pool = replace(
        pool, groups=np.where(pool.labeled & truth[:, 0], pool.ids[np.flatnonzero(pool.labeled)[0]], pool.ids)
    )
    [common, _] = weigh_evidence(pool, np.array([3.0, 3.0]), None, None)
    assert common.found == 1


def test_a_batch_holds_the_evidence_on_rare_classes_with_that_of_earlier_models() -> None:
    pool, truth = make_pool(items=1_000, shares=(0.9, 0.1), seed=2)
    config = make_config()
    models = []
    for labels in (100, 120, 140, 160):
        labeled = np.arange(1_000) < labels
        pool = replace(pool, labeled=labeled, targets=truth & labeled[:, None])
        models.append(train(pool, config))
    plan = RoundPlan(number=5, places=20, encoder="e", model=5, earlier=[model for model in models[:-1] if model])
    told = select(pool, models[-1], config, plan).stopping
    alone = select(pool, models[-1], config, replace(plan, earlier=plan.earlier[1:])).stopping
    assert list(told) == ["rare"]
    assert told["rare"].kappa is not None
    assert told["rare"].kappa > 0.8
    assert alone["rare"].kappa is None
