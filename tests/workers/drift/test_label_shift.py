"""Class shares of a window that nobody labeled: near the truth, within their interval, or not told at all."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Floats
from tests.workers.drift.audited import CLASSES, SHARES, answers
from workers.drift import label_shift
from workers.drift.label_shift import Audited, LabelShift
from workers.training.prior_shift import new_shares

MOVED = (0.55, 0.2, 0.25)


def audited(items: int = 800, *, seed: int = 0, rows: np.ndarray | None = None) -> Audited:
    targets, said = answers(items, seed=seed)
    kept = np.arange(items) if rows is None else rows
    nothing = np.zeros(len(kept), dtype=np.int64)
    return Audited(targets[kept], said[kept], np.ones(len(kept)), nothing, np.arange(len(kept)))


def window(shares: tuple[float, ...], items: int = 1_000, *, seed: int) -> Floats:
    return answers(items, shares, seed=seed)[1]


def estimate(one: Audited, before: Floats, after: Floats, *, exclusive: bool = True, seed: int = 0) -> LabelShift:
    rng = np.random.default_rng(seed)
    return label_shift.estimate(one, before=before, after=after, classes=CLASSES, exclusive=exclusive, rng=rng)


def test_a_class_that_became_frequent_is_told_with_its_share() -> None:
    found = estimate(audited(), window(SHARES, seed=1), window(MOVED, seed=2))
    rare = found.shares["rare"]
    assert rare.moved
    assert rare.before.low <= 0.1 <= rare.before.high
    assert rare.after.low <= 0.25 <= rare.after.high
    assert not found.shares["second"].moved
    assert found.suppressed == {}


def test_the_estimate_is_nearer_with_more_items() -> None:
    def error(items: int) -> float:
        gaps = []
        for seed in range(4):
            said = window(SHARES, items, seed=seed)
            shares = new_shares(
                window(MOVED, items, seed=100 + seed).astype(np.float64), said.mean(axis=0, dtype=float)
            )
            gaps.append(np.abs(shares - MOVED).max())
        return float(np.mean(gaps))

    assert error(40_000) < 0.015 < error(400)


def test_windows_like_the_reference_may_be_unchanged() -> None:
    false = sum(
        any(
            share.moved
            for share in estimate(
                audited(400, seed=seed), window(SHARES, 400, seed=50 + seed), window(SHARES, 400, seed=90 + seed)
            ).shares.values()
        )
        for seed in range(10)
    )
    assert false <= 3


@pytest.mark.parametrize("exclusive", [True, False])
def test_shares_are_told_for_one_class_an_item_and_for_any_number(exclusive: bool) -> None:
    found = estimate(audited(), window(SHARES, seed=1), window(MOVED, seed=2), exclusive=exclusive)
    assert set(found.shares) == set(CLASSES)
    assert found.shares["rare"].after.value == pytest.approx(0.25, abs=0.06)


def test_a_class_with_few_audit_labels_is_not_told_and_says_so() -> None:
    targets, _ = answers(800, seed=0)
    rare = np.flatnonzero(targets[:, 2])
    found = estimate(
        audited(rows=np.setdiff1d(np.arange(800), rare[10:])), window(SHARES, seed=1), window(MOVED, seed=2)
    )
    assert found.suppressed["rare"] == "it has 10 audit labels, and 20 are needed"
    assert "rare" not in found.shares


def test_a_model_that_can_t_tell_classes_apart_tells_no_shares() -> None:
    one = audited()
    blind = replace(one, said=np.tile(np.array(SHARES, dtype=np.float32), (800, 1)))
    found = estimate(blind, window(SHARES, seed=1), window(MOVED, seed=2))
    assert found.shares == {}
    assert "condition" in found.suppressed["rare"]


def test_without_predictions_nothing_is_told() -> None:
    found = estimate(audited(), np.zeros((0, 3), dtype=np.float32), window(MOVED, seed=2))
    assert found.shares == {}
    assert set(found.suppressed) == set(CLASSES)


@given(st.integers(0, 10_000), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_shares_are_never_negative_and_add_up_to_1(seed: int, known: list[float]) -> None:
    _, said = answers(100, seed=seed)
    shares = new_shares(said.astype(np.float64), np.array(known) / sum(known))
    assert (shares >= 0).all()
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)


def test_the_order_of_items_changes_nothing_but_the_draws() -> None:
    one, before, after = audited(), window(SHARES, seed=1), window(MOVED, seed=2)
    order = np.random.default_rng(0).permutation(800)
    other = Audited(one.targets[order], one.said[order], one.weights[order], one.strata[order], one.families[order])
    told = [estimate(part, before, after[::-1]) for part in (one, other)]
    assert told[0].shares["rare"].after.value == pytest.approx(told[1].shares["rare"].after.value)


def test_where_an_item_may_have_several_classes_all_share_one_chance_to_be_called_moved_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_shift, "_ROUNDS", 3_000)

    def width(columns: list[int]) -> float:
        one, sides = audited(), [window(SHARES, seed=seed) for seed in (1, 2)]
        part = replace(one, targets=one.targets[:, columns], said=one.said[:, columns])
        rng = np.random.default_rng(0)
        before, after = (side[:, columns] for side in sides)
        names = [CLASSES[column] for column in columns]
        found = label_shift.estimate(part, before=before, after=after, classes=names, exclusive=False, rng=rng)
        change = found.shares[names[0]].change
        return change.high - change.low

    # The normal distribution's quantiles for a third of 5 % and for all of it.
    assert width([0, 1, 2]) / width([0]) == pytest.approx(2.394 / 1.960, rel=0.05)
