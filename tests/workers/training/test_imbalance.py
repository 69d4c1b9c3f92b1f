"""How uneven classes are: figures that follow their definitions, and intervals that hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.training.imbalance import (
    AuditTally,
    Evenness,
    Tally,
    effective_numbers,
    evenness,
    measure,
    prevalence,
)


def tally(*, exclusive: bool = True) -> Tally:
    """Two sources, three classes of which the last has no label."""
    return Tally(
        classes=("common", "rare", "absent"),
        sources=("chat", "mail"),
        items=np.array([300, 100]),
        labeled=np.array([15, 25]),
        counts=np.array([[14, 1, 0], [16, 9, 0]]),
        exclusive=exclusive,
    )


def audit(sizes: list[int], answered: list[int], positives: list[list[int]]) -> AuditTally:
    return AuditTally(np.array(sizes), np.array(answered), np.array(positives))


NO_AUDIT = audit([400], [0], [[0, 0, 0]])


def test_classes_are_counted_over_all_sources() -> None:
    common, rare, absent = measure(tally(), NO_AUDIT, beta=0.9).classes

    assert [one.labels for one in (common, rare, absent)] == [30, 10, 0]
    assert [one.share for one in (common, rare, absent)] == [0.75, 0.25, 0.0]
    assert [one.ratio for one in (common, rare, absent)] == [1.0, 3.0, None]


def test_the_weight_of_a_class_is_that_of_training() -> None:
    """N / (K n_c) over the classes that occur, or each class against the others where an item may hold several."""
    exclusive = measure(tally(), NO_AUDIT, beta=0.9).classes
    several = measure(tally(exclusive=False), NO_AUDIT, beta=0.9).classes

    assert [one.weight for one in exclusive] == [40 / (2 * 30), 40 / (2 * 10), None]
    assert [one.weight for one in several] == [40 / (2 * 30), 40 / (2 * 10), None]


def test_a_project_that_weighs_no_class_is_told_so() -> None:
    found = measure(tally(), NO_AUDIT, beta=0.9, weighting="none").classes

    assert [one.weight for one in found] == [1.0, 1.0, None]


def test_a_class_that_every_item_holds_has_a_weight() -> None:
    every = Tally(("all", "some"), ("mail",), np.array([4]), np.array([4]), np.array([[4, 1]]), exclusive=False)

    assert [one.weight for one in measure(every, audit([4], [0], [[0, 0]]), beta=0.9).classes] == [1.0, 2.0]


def test_sources_tell_their_share_of_items_and_of_labels() -> None:
    chat, mail = measure(tally(), NO_AUDIT, beta=0.9).sources

    assert (chat.share, chat.label_share) == (0.75, 0.375)
    assert (mail.items, mail.labels) == (100, 25)
    assert chat.by_class == {"common": 14, "rare": 1}


def test_without_items_and_labels_nothing_is_divided_by_zero() -> None:
    none = np.zeros(1, np.int64)
    empty = Tally(("a", "b"), ("mail",), none, none, np.zeros((1, 2), np.int64), exclusive=True)
    measured = measure(empty, audit([0], [0], [[0, 0]]), beta=0.9)

    assert [(one.share, one.ratio, one.weight, one.prevalence) for one in measured.classes] == [(None,) * 4] * 2
    assert measured.of_labels == Evenness(None, None)
    assert (measured.of_pool, measured.audit_covered) == (None, 0.0)


def test_the_effective_number_of_samples_follows_its_formula() -> None:
    counts = np.array([0, 1, 10, 1_000_000])

    assert effective_numbers(counts, 0.9) == pytest.approx([0, 1, (1 - 0.9**10) / 0.1, 10])
    assert effective_numbers(counts, 0.0).tolist() == [0, 1, 1, 1]
    assert effective_numbers(np.array([50]), 0.999999) == pytest.approx([50], rel=1e-4)


@pytest.mark.parametrize(
    ("amounts", "ratio", "entropy"),
    [([5, 5, 5], 1.0, 1.0), ([8, 0], 1.0, 0.0), ([1, 3], 3.0, 0.811278), ([7], 1.0, None), ([0, 0], None, None)],
)
def test_evenness_goes_from_one_class_alone_to_all_alike(
    amounts: list[float], ratio: float | None, entropy: float | None
) -> None:
    found = evenness(np.array(amounts, dtype=np.float64))

    assert found.imbalance_ratio == ratio
    assert found.normalised_entropy == (entropy if entropy is None else pytest.approx(entropy, abs=1e-6))


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=20))
def test_normalised_entropy_lies_between_zero_and_one(counts: list[int]) -> None:
    found = evenness(np.array(counts, dtype=np.float64)).normalised_entropy

    assert found is None or 0 <= found <= 1 + 1e-12


def test_prevalence_weighs_each_stratum_by_its_size() -> None:
    """Half of a stratum of 100 and none of one of 900: 5 % of the pool, though it is a quarter of the answers."""
    (rare,) = prevalence(audit([100, 900], [20, 20], [[10], [0]])) or []

    assert rare.value == pytest.approx(0.05)
    assert rare.low < 0.05 < rare.high


def test_strata_without_an_answer_are_left_out_and_told() -> None:
    part = audit([100, 300], [10, 0], [[5], [0]])
    (found,) = prevalence(part) or []

    assert found.value == 0.5
    assert part.covered == 0.25


def test_nothing_is_estimated_without_an_answer() -> None:
    assert prevalence(audit([100], [0], [[0]])) is None


def test_a_class_that_was_never_seen_may_still_be_there() -> None:
    (never,) = prevalence(audit([10_000], [30], [[0]])) or []

    assert (never.value, never.low) == (0.0, 0.0)
    assert never.high == pytest.approx(1 - 0.025 ** (1 / 30), abs=1e-3)  # Clopper and Pearson in closed form


def test_a_pool_that_is_labeled_as_a_whole_has_no_interval_left() -> None:
    found = prevalence(audit([30, 10], [30, 10], [[3, 0], [1, 10]])) or []

    assert [(one.low, one.value, one.high) for one in found] == [(0.1, 0.1, 0.1), (0.25, 0.25, 0.25)]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_intervals_hold_their_estimate_and_lie_between_zero_and_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 500, size=4)
    answered = rng.integers(0, sizes + 1)
    held = rng.integers(0, answered[:, None] + 1, size=(4, 3))

    for found in prevalence(AuditTally(sizes, answered, held)) or []:
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value <= found.high + 1e-12
        assert found.high <= 1


@pytest.mark.parametrize("rates", [(0.3, 0.001), (0.6, 0.05), (0.02, 0.02)])
def test_the_interval_holds_the_truth_in_95_of_100_samples(rates: tuple[float, float]) -> None:
    """Rule hits drawn far more often than the others, as the audit sample does it."""
    rng, sizes, answered = np.random.default_rng(0), np.array([400, 9_600]), np.array([50, 50])
    held = np.round(sizes * np.array(rates)).astype(np.int64)
    truth = held.sum() / sizes.sum()
    hits = rng.hypergeometric(held, sizes - held, answered, size=(600, 2))
    intervals = [(prevalence(AuditTally(sizes, answered, found[:, None])) or [])[0] for found in hits]

    assert np.mean([one.low <= truth <= one.high for one in intervals]) >= 0.95
    assert np.mean([one.value for one in intervals]) == pytest.approx(truth, abs=0.004)
