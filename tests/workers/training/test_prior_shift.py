"""A correction of class shares is right where only the shares moved, and off where it does not pay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.arrays import load_arrays
from tests.models import plain_model
from tests.pools import make_pool
from tests.workers.drift.audited import CLASSES, SHARES, answers
from workers.training import classifier, model_storage, prior_shift
from workers.training.prior_shift import HEADER, Worth

MOVED = (0.5, 0.2, 0.3)


def test_new_shares_are_found_from_probabilities_alone() -> None:
    _, probability = answers(8_000, MOVED, seed=0)
    found = prior_shift.new_shares(probability.astype(np.float64), np.array(SHARES))
    assert found == pytest.approx(MOVED, abs=0.03)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_correction_pays_where_shares_moved_and_not_where_they_did_not(exclusive: bool) -> None:
    known = np.array(SHARES)
    for shares, pays in ((MOVED, True), (SHARES, False)):
        _, after = answers(3_000, shares, seed=2)
        targets, probability = answers(300, shares, seed=3)
        ratios = prior_shift.log_ratios(known, after, exclusive=exclusive)
        found = prior_shift.worth(probability, targets, np.ones(300), np.arange(300), ratios, exclusive=exclusive)
        assert found.pays == pays


def test_a_correction_that_helps_too_few_answers_or_too_little_is_off() -> None:
    assert not Worth(49, 1.0, 0.5, 0.01).pays
    assert not Worth(500, 1.0, 0.99, 0.02).pays
    assert Worth(500, 1.0, 0.98, 0.01).pays
    nothing = prior_shift.worth(
        np.zeros((0, 3), np.float32), np.zeros((0, 3), bool), np.zeros(0), np.zeros(0, int), np.zeros(3), exclusive=True
    )
    assert not nothing.pays


def test_families_make_the_doubt_larger() -> None:
    targets, probability = answers(200, MOVED, seed=0)
    again = np.concatenate([np.arange(200)] * 4)
    ratios = np.log(np.array(MOVED) / np.array(SHARES))
    told = [
        prior_shift.worth(probability[again], targets[again], np.ones(800), families, ratios, exclusive=True)
        for families in (np.arange(800), again)
    ]
    assert told[1].error == pytest.approx(2 * told[0].error, rel=0.05)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3), st.integers(0, 1_000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_corrected_probabilities_are_probabilities_and_can_be_taken_back(
    ratios: list[float], seed: int, exclusive: bool
) -> None:
    _, probability = answers(30, seed=seed)
    there = prior_shift.corrected(probability, np.array(ratios), exclusive=exclusive)
    assert (there >= 0).all()
    assert (there <= 1).all()
    if exclusive:
        assert np.allclose(there.sum(axis=1), 1, atol=1e-5)
    back = prior_shift.corrected(there, -np.array(ratios), exclusive=exclusive)
    assert np.allclose(back, probability, atol=1e-4)


def test_a_stored_correction_is_in_the_header_is_carried_once_and_comes_off_again() -> None:
    pool, truth = make_pool(items=200, classes=CLASSES, shares=SHARES)
    model = plain_model(pool.vectors(np.arange(200)), truth, classes=CLASSES)
    ratios = np.array([-0.3, 0.0, 1.2])
    said = prior_shift.record(ratios, Worth(100, 0.5, 0.4, 0.02), classes=CLASSES)
    blob = model_storage.dump(prior_shift.applied(model, ratios), header={HEADER: said})
    header = load_arrays(blob)[1]
    stored = model_storage.load(blob)
    plain, moved = (classifier.probabilities(one, pool.matrix, pool.rows) for one in (model, stored))
    assert np.allclose(moved, prior_shift.corrected(plain, ratios, exclusive=True), atol=1e-5)
    assert np.allclose(prior_shift.without(stored, header).bias, model.bias, atol=1e-6)
    next_model, carried = prior_shift.carried(model, header)
    assert next_model is not None
    assert np.allclose(next_model.bias, stored.bias, atol=1e-6)
    assert carried[HEADER]["carried"]
    assert prior_shift.carried(model, {HEADER: None}) == (model, {})
    other = {HEADER: {**said, "log_ratios": {"gone": 1.0}}}
    assert prior_shift.carried(model, other) == (model, {})
