"""Over- and undersampling: who is repeated, who is left out, families together, and the same draws from a seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Index, Mask
from workers.training.sampling import Sampling, draw


def labels(*sizes: int) -> Mask:
    """Rows of one class each, in a random order."""
    answer = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    targets: Mask = np.arange(len(sizes)) == answer[:, None]
    return targets


def drawn(targets: Mask, sampling: Sampling, *, families: Index | None = None, seed: int = 0) -> tuple[Index, ...]:
    alone = np.arange(len(targets)) if families is None else families
    return draw(targets, alone, sampling=sampling, members=5, seed=seed)


def sizes_of(targets: Mask, rows: Index) -> list[int]:
    found: list[int] = targets[rows].sum(axis=0).tolist()
    return found


def test_without_sampling_there_is_one_fit_to_every_row_once() -> None:
    (rows,) = drawn(labels(5, 3), "none")
    assert rows.tolist() == list(range(8))


def test_with_two_classes_the_smaller_is_brought_to_the_larger_and_the_other_way_round() -> None:
    targets = labels(90, 7)
    (repeated,) = drawn(targets, "oversample")
    assert sizes_of(targets, repeated) == [90, 90]
    parts = drawn(targets, "undersample")
    assert [sizes_of(targets, part) for part in parts] == [[7, 7]] * 5


def test_more_classes_are_brought_to_the_middle_one() -> None:
    targets = labels(90, 7, 20, 2)
    (repeated,) = drawn(targets, "oversample")
    assert sizes_of(targets, repeated) == [90, 20, 20, 20]
    assert [sizes_of(targets, part) for part in drawn(targets, "undersample")] == [[7, 7, 7, 2]] * 5


def test_an_undersampled_class_is_another_part_in_each_fit_and_the_rare_one_the_same() -> None:
    targets = labels(90, 7)
    parts = drawn(targets, "undersample")
    rare = set(np.flatnonzero(targets[:, 1]).tolist())
    assert all(rare <= set(part.tolist()) for part in parts)
    assert len(set().union(*(part.tolist() for part in parts)) - rare) > 20


def test_families_of_a_large_class_are_drawn_whole_and_not_beyond_what_is_wanted() -> None:
    targets = labels(90, 20)
    families = np.arange(110)
    families[np.flatnonzero(targets[:, 0])] = np.arange(90) // 6
    for part in drawn(targets, "undersample", families=families):
        common = part[targets[part, 0]]
        assert set(np.bincount(families[common]).tolist()) == {0, 6}
        assert len(common) == 18


@pytest.mark.parametrize("large", [50, 600])
def test_a_family_that_does_not_fit_keeps_no_others_away(large: int) -> None:
    targets = labels(1_000, 100)
    families = np.arange(1_100)
    families[np.flatnonzero(targets[:, 0])[:large]] = 0
    families[families != 0] += 1
    assert all(sizes_of(targets, part) == [100, 100] for part in drawn(targets, "undersample", families=families))


def test_a_row_counts_to_its_rarest_class_and_one_without_a_class_to_none() -> None:
    targets = np.zeros((20, 2), dtype=bool)
    targets[:8, 0] = targets[:2, 1] = True  # 6 of the first alone, 2 of both, 12 of none
    (repeated,) = drawn(targets, "oversample")
    times = np.bincount(repeated, minlength=20)
    assert times[:2].tolist() == [3, 3]
    assert times[2:].tolist() == [1] * 18


masks = st.integers(0, 10_000).map(
    lambda seed: (lambda rng: rng.random((rng.integers(1, 60), rng.integers(1, 6))) < 0.3)(np.random.default_rng(seed))
)


@given(targets=masks, groups=st.integers(1, 60), sampling=st.sampled_from(["oversample", "undersample"]))
@settings(max_examples=150, deadline=None)
def test_what_holds_for_any_labels(targets: Mask, groups: int, sampling: Sampling) -> None:
    families = np.random.default_rng(len(targets)).integers(groups, size=len(targets))
    parts = drawn(targets, sampling, families=families)
    assert len(parts) == (1 if sampling == "oversample" else 5)
    for part, again in zip(parts, drawn(targets, sampling, families=families), strict=True):
        assert np.array_equal(part, again)
        assert (np.diff(part) >= 0).all()
        times = np.bincount(part, minlength=len(targets))
        if sampling == "oversample":
            assert times.min() >= 1
            assert len(part) <= 2 * len(targets)
        else:
            assert times.max() <= 1
        assert (targets[part].any(axis=0) == targets.any(axis=0)).all()  # no class is lost


def test_another_seed_draws_otherwise() -> None:
    targets = labels(90, 20)
    for sampling in ("oversample", "undersample"):
        assert not np.array_equal(drawn(targets, sampling, seed=1)[0], drawn(targets, sampling, seed=2)[0])


def test_rows_are_repeated_evenly() -> None:
    targets = labels(90, 20)
    (repeated,) = drawn(targets, "oversample")
    assert set(np.bincount(repeated)[targets[:, 1]].tolist()) == {4, 5}
    assert set(np.bincount(repeated)[targets[:, 0]].tolist()) == {1}


@pytest.mark.parametrize("sampling", ["none", "oversample", "undersample"])
def test_one_row_is_enough(sampling: Sampling) -> None:
    assert all(part.tolist() == [0] for part in drawn(labels(1), sampling))
