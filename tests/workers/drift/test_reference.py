import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidInputError
from tests.workers.drift.world import DISTINCT, EVERYTHING, draw, fit
from workers.drift.reference import dump, fit_reference, is_novel, load, place


@settings(max_examples=10, deadline=None)
@given(count=st.integers(80, 400), seed=st.integers(0, 2**32 - 1))
def test_every_item_stands_in_exactly_one_half(count: int, seed: int) -> None:
    texts = draw(EVERYTHING, count, seed=seed)

    reference = fit(texts, seed=seed)

    assert not set(reference.a_ids.tolist()) & set(reference.b_ids.tolist())
    assert sorted([*reference.a_ids.tolist(), *reference.b_ids.tolist()]) == texts.ids.tolist()
    assert abs(len(reference.a_ids) - len(reference.b_ids)) <= 1


def test_what_is_said_of_half_b_comes_from_half_a_alone() -> None:
    texts = draw(DISTINCT, 600, seed=1)

    reference = fit(texts)

    a_vectors = texts.vectors[reference.a_ids].astype(np.float32)
    b_vectors = texts.vectors[reference.b_ids].astype(np.float32)
    np.testing.assert_array_equal(reference.a_vectors, texts.vectors[reference.a_ids])
    all_of_a = (b_vectors @ a_vectors.T).max(axis=1)
    assert (reference.b_nearness <= all_of_a + 1e-5).all()  # it looks in the nearest cells only
    assert (reference.b_nearness > all_of_a - 1e-5).mean() > 0.9
    assert [reference.source_names[code] for code in reference.b_sources] == [
        texts.sources[row] for row in reference.b_ids
    ]


def test_the_cuts_leave_small_shares_of_half_b_novel_and_nothing_of_half_a() -> None:
    reference = fit(draw(EVERYTHING, 2_000, seed=2))

    to_itself = place(reference, reference.a_vectors).nearness
    of_b = [int(is_novel(reference.b_nearness, cut).sum()) for cut in reference.cuts]
    assert of_b == pytest.approx([2, 10, 30, 100], abs=1)
    assert not any(is_novel(to_itself, cut).any() for cut in reference.cuts)


@pytest.mark.parametrize(("items", "cells"), [(80, 1), (400, 5), (6_000, 64)])
def test_there_are_cells_for_39_items_each_and_64_at_most(items: int, cells: int) -> None:
    assert fit(draw(EVERYTHING, items, seed=3)).centres.shape == (cells, 64)


def test_the_same_items_and_seed_give_the_same_bytes() -> None:
    texts = draw(EVERYTHING, 1_000, seed=4)

    assert dump(fit(texts, seed=5)) == dump(fit(texts, seed=5))
    assert dump(fit(texts, seed=5)) != dump(fit(texts, seed=6))


def test_a_reference_is_the_same_after_saving_and_loading() -> None:
    reference = fit(draw(DISTINCT, 500, seed=7))

    loaded = load(dump(reference))

    assert dump(loaded) == dump(reference)
    assert (loaded.source_names, loaded.cuts) == (reference.source_names, reference.cuts)
    for name in (
        "centres",
        "a_ids",
        "a_vectors",
        "a_starts",
        "b_ids",
        "b_cells",
        "b_sources",
        "b_nearness",
        "b_traits",
    ):
        before, after = getattr(reference, name), getattr(loaded, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


def test_half_a_lies_cell_by_cell() -> None:
    reference = fit(draw(EVERYTHING, 1_000, seed=6))

    cells = place(reference, reference.a_vectors).cells

    assert cells.tolist() == np.repeat(np.arange(len(reference.centres)), np.diff(reference.a_starts)).tolist()


def test_identical_items_make_one_cell_in_which_nothing_is_novel() -> None:
    vectors = np.repeat(draw(EVERYTHING, 1, seed=8).vectors, 300, axis=0)

    reference = fit_reference(vectors, ids=np.arange(300), sources=["mail"] * 300, rng=np.random.default_rng(0))

    assert len(reference.centres) == 1
    assert not any(is_novel(reference.b_nearness, cut).any() for cut in reference.cuts)


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"79 distinct item\(s\); it needs 80"):
        fit(draw(EVERYTHING, 79, seed=9))


def test_an_item_that_occurs_twice_is_refused() -> None:
    texts = draw(EVERYTHING, 100, seed=10)

    with pytest.raises(InvalidInputError, match="more than once"):
        fit_reference(texts.vectors, ids=np.zeros(100, np.int64), sources=texts.sources, rng=np.random.default_rng(0))


def test_rows_that_do_not_fit_together_are_refused() -> None:
    texts = draw(EVERYTHING, 100, seed=11)

    with pytest.raises(InvalidInputError, match=r"100 id\(s\) and 99 source\(s\)"):
        fit_reference(texts.vectors, ids=texts.ids, sources=texts.sources[:-1], rng=np.random.default_rng(0))


def test_vectors_of_another_encoder_are_refused() -> None:
    reference = fit(draw(EVERYTHING, 100, seed=12))

    with pytest.raises(InvalidInputError, match="have 32 dimensions, the drift reference's 64"):
        place(reference, np.ones((3, 32), np.float16))
