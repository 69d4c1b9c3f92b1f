"""Near duplicates and the groups that they form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.intake import cells, duplicates
from workers.intake.duplicates import merge_groups, near_duplicates

Array = NDArray[np.float16]


def cloud(rng: np.random.Generator, count: int, dimension: int = 8) -> Array:
    """Unit vectors (count, dimension) of which many are near each other."""
    centres = rng.normal(size=(max(1, count // 4), dimension))
    vectors = centres[rng.integers(len(centres), size=count)] + 0.15 * rng.normal(size=(count, dimension))
    unit: Array = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    return unit


def components(pairs: list[tuple[int, int]]) -> set[frozenset[int]]:
    """Sets of ids that are connected, by the plainest means."""
    sets: list[frozenset[int]] = []
    for pair in pairs:
        touched = [known for known in sets if known & set(pair)]
        sets = [known for known in sets if known not in touched] + [frozenset(pair).union(*touched)]
    return set(sets)


def all_pairs(new_ids: list[int], new: Array, known_ids: list[int], known: Array, cut: float) -> list[tuple[int, int]]:
    ids, vectors = new_ids + known_ids, np.concatenate([new, known]).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    return [
        (ids[i], ids[j]) for i in range(len(new_ids)) for j in range(len(ids)) if i != j and cosine[i, j] >= cut - 1e-6
    ]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 25), st.integers(0, 25), st.sampled_from([0.9, 0.95, 0.99, 1.0]), st.integers(0, 10_000))
def test_links_connect_just_what_all_near_duplicate_pairs_connect(n: int, m: int, threshold: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.permutation(1_000)[: n + m].tolist()
    vectors = cloud(rng, n + m)
    vectors[: (n + m) // 3] = vectors[(n + m) // 3 : 2 * ((n + m) // 3)]  # exact copies

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_STORED", 7)
        patch.setattr(duplicates, "_QUERIES", 5)
        links = near_duplicates(
            new_ids=np.array(ids[:n], dtype=np.int64),
            new=vectors[:n],
            known_ids=np.array(ids[n:], dtype=np.int64),
            known=vectors[n:],
            threshold=threshold,
        )

    expected = components(all_pairs(ids[:n], vectors[:n], ids[n:], vectors[n:], threshold))
    assert components([(a, b) for a, b in links.tolist()]) == expected
    assert links.tolist() == sorted([item, min(group)] for group in expected for item in group if item != min(group))


def test_known_items_are_not_compared_among_themselves() -> None:
    same = np.ones((2, 4), np.float16)
    other = np.array([[1, -1, 1, -1]], np.float16)

    links = near_duplicates(new_ids=np.array([3]), new=other, known_ids=np.array([1, 2]), known=same, threshold=0.9)

    assert links.shape == (0, 2)


def test_a_cosine_just_at_the_threshold_is_near_and_just_below_is_not() -> None:
    def is_near(cosine: float) -> bool:
        new = np.array([[1.0, 0.0]], np.float32)
        known = np.array([[cosine, np.sqrt(1 - cosine**2)]], np.float32)
        return bool(
            len(near_duplicates(new_ids=np.array([2]), new=new, known_ids=np.array([1]), known=known, threshold=0.95))
        )

    assert is_near(0.95)
    assert is_near(0.951)
    assert not is_near(0.9499)


def test_thousands_of_copies_are_linked_without_listing_their_pairs() -> None:
    copies = np.tile(np.array([[0.6, 0.8]], np.float16), (3_000, 1))
    ids = np.arange(10, 3_010)

    links = near_duplicates(
        new_ids=ids[1_000:], new=copies[1_000:], known_ids=ids[:1_000], known=copies[:1_000], threshold=0.95
    )

    assert links.tolist() == [[item, 10] for item in range(11, 3_010)]


some_pairs = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)).filter(lambda pair: pair[0] != pair[1]))


def merged(pairs: list[tuple[int, int]], groups: dict[int, int]) -> dict[int, int]:
    return groups | merge_groups(np.array(pairs, dtype=np.int64).reshape(-1, 2), groups)


@given(some_pairs, some_pairs)
def test_groups_do_not_depend_on_the_order_in_which_pairs_come(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    turned = [(b, a) for a, b in reversed(first + second)]

    assert merged(second, merged(first, {})) == merged(first, merged(second, {})) == merged(turned, {})


@given(some_pairs)
def test_groups_are_transitive_and_the_representative_is_the_smallest_member(pairs: list[tuple[int, int]]) -> None:
    expected = {item: min(group) for group in components(pairs) for item in group}

    assert merged(pairs, {}) == expected


@given(some_pairs)
def test_merging_again_changes_nothing(pairs: list[tuple[int, int]]) -> None:
    assert merge_groups(np.array(pairs, dtype=np.int64).reshape(-1, 2), merged(pairs, {})) == {}


def test_a_group_goes_with_its_representative_when_a_smaller_one_is_found() -> None:
    assert merge_groups(np.array([[9, 2]]), {9: 5, 5: 5, 7: 5}) == {2: 2, 5: 2, 7: 2, 9: 2}


def test_the_representative_goes_along_though_only_the_members_in_the_pairs_are_given() -> None:
    assert merge_groups(np.array([[9, 2]]), {9: 5}) == {2: 2, 5: 2, 9: 2}


def planted(rng: np.random.Generator, count: int, pairs: int) -> tuple[Array, NDArray[np.int64]]:
    """Clustered vectors (count, 32) and pairs (pairs, 2) of positions with cosines of 0.955 to 1."""
    centres = rng.normal(size=(20, 32))
    vectors = centres[rng.integers(20, size=count)] + rng.normal(size=(count, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = rng.permutation(count)[: 2 * pairs].reshape(-1, 2)
    one, cosine = vectors[found[:, 0]], rng.uniform(0.955, 1, size=(pairs, 1))
    aside = rng.normal(size=one.shape)
    aside -= (aside * one).sum(axis=1, keepdims=True) * one
    vectors[found[:, 1]] = cosine * one + np.sqrt(1 - cosine**2) * aside / np.linalg.norm(aside, axis=1, keepdims=True)
    return vectors.astype(np.float16), found


def test_cells_find_what_a_comparison_of_all_finds_but_for_one_in_a_hundred() -> None:
    vectors, pairs = planted(np.random.default_rng(0), 6_000, 600)
    ids = np.arange(6_000)

    def found(most: int) -> set[tuple[int, int]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(duplicates, "_ALL_PAIRS", most)
            patch.setattr(cells, "_CENTRES", 128)
            links = near_duplicates(
                new_ids=ids[4_000:], new=vectors[4_000:], known_ids=ids[:4_000], known=vectors[:4_000], threshold=0.95
            )
        return {(a, b) for a, b in links.tolist()}

    exact, near = found(2**40), found(0)
    new = [tuple(sorted(pair, reverse=True)) for pair in pairs.tolist() if max(pair) >= 4_000]
    assert near <= exact
    assert len(near) >= 0.99 * len(exact) > 0
    assert len(set(new) & near) >= 0.98 * len(set(new))


def test_cells_that_grew_segment_by_segment_find_the_same_as_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_ALL_PAIRS", 0)
    monkeypatch.setattr(cells, "_TEACHERS", 1_000)
    monkeypatch.setattr(cells, "_CENTRES", 32)
    vectors, _ = planted(np.random.default_rng(1), 3_000, 300)
    ids, grown = np.arange(3_000), cells.Cells()
    for start in (1_000, 1_500, 2_000, 2_500):
        new = slice(start, start + 500)
        with_memory, without = (
            near_duplicates(
                new_ids=ids[new],
                new=vectors[new],
                known_ids=ids[:start],
                known=vectors[:start],
                threshold=0.95,
                cells=memory,
            )
            for memory in (grown, None)
        )
        assert np.array_equal(with_memory, without)
        assert len(with_memory)


def test_a_low_threshold_is_compared_exactly_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_ALL_PAIRS", 0)
    monkeypatch.setattr(duplicates, "_by_cells", None)
    near = np.array([[1.0, 0.0], [0.75, 0.66]], np.float16)
    links = near_duplicates(
        new_ids=np.array([1, 2]), new=near, known_ids=np.empty(0, np.int64), known=near[:0], threshold=0.7
    )
    assert links.tolist() == [[2, 1]]
