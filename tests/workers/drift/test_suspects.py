"""Labels that held-out predictions contradict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Floats, Mask
from workers.drift.suspects import contradicted


def test_a_label_is_contradicted_by_a_class_that_is_as_probable_as_on_its_own_items() -> None:
    probability = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.15, 0.85]], dtype=np.float32)
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]], dtype=bool)
    found = contradicted(probability, targets, exclusive=True)
    assert found.rows.tolist() == [4]
    assert found.columns.tolist() == [1]
    assert found.margin == pytest.approx([0.7])


def test_a_rare_class_has_a_threshold_of_its_own() -> None:
    """The model is never sure of the rare class: 0.45 is what it says of such items, so 0.46 beside 0.44 is a lot."""
    probability = np.array([[0.4, 0.45, 0.15], [0.95, 0.04, 0.01], [0.97, 0.02, 0.01], [0.44, 0.46, 0.1]])
    targets = np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)
    found = contradicted(probability.astype(np.float32), targets, exclusive=True)
    assert found.rows.tolist() == [3]
    assert found.columns.tolist() == [1]


def test_of_several_classes_an_item_lacks_one_or_has_one_too_much() -> None:
    probability = np.array([[0.9, 0.1], [0.9, 0.9], [0.1, 0.05], [0.95, 0.1], [0.02, 0.1], [0.1, 0.1]])
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=bool)
    found = contradicted(probability.astype(np.float32), targets, exclusive=False)
    assert dict(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == {3: 0, 4: 0}
    assert found.rows[0] == 4  # 0.02 says more against a class than 0.95 for one


@st.composite
def _said(draw: st.DrawFn) -> tuple[Floats, Mask]:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    items, classes = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    probability = rng.dirichlet(np.ones(classes), size=items).astype(np.float32)
    targets = np.arange(classes) == rng.integers(classes, size=items)[:, None]
    return probability, targets


@settings(max_examples=60, deadline=None)
@given(_said(), st.booleans(), st.integers(0, 100))
def test_only_less_probable_labels_are_contradicted_once_each_in_any_order(
    said: tuple[Floats, Mask], exclusive: bool, seed: int
) -> None:
    probability, targets = said
    found = contradicted(probability, targets, exclusive=exclusive)
    assert len(set(found.rows.tolist())) == len(found.rows)
    assert np.all(found.margin > 0)
    assert np.all(np.diff(found.margin) <= 0)
    if exclusive:
        own = probability[found.rows, targets[found.rows].argmax(axis=1)]
        assert np.all(probability[found.rows, found.columns] > own)
    order = np.random.default_rng(seed).permutation(len(targets))
    again = contradicted(probability[order], targets[order], exclusive=exclusive)
    assert set(order[again.rows].tolist()) == set(found.rows.tolist())


def test_without_labels_nothing_is_contradicted() -> None:
    found = contradicted(np.full((3, 2), 0.5, dtype=np.float32), np.zeros((3, 2), dtype=bool), exclusive=True)
    assert len(found.rows) == 0
