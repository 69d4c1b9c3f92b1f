"""Vectors move to what lies around them, and to the same place whatever else is asked and was asked before."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pool import Floats
from tests.pools import make_pool
from workers.training import surroundings
from workers.training.surroundings import Surroundings, surroundings_of


def unit(vectors: Floats) -> Floats:
    of_length_1: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return of_length_1


def made_up(count: int, *, seed: int, dimension: int = 12) -> Floats:
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32))


def by_hand(around: Floats, vector: Floats) -> Floats:
    cosine = around @ vector
    others = np.flatnonzero(cosine < 0.999)
    nearest = others[np.argsort(-cosine[others])][:10]
    mean = around[nearest].mean(axis=0)
    moved: Floats = unit((vector + mean / np.linalg.norm(mean))[None])[0]
    return moved


def test_a_vector_moves_halfway_to_the_mean_of_its_ten_nearest() -> None:
    around, vectors = made_up(200, seed=0), made_up(30, seed=1)
    drawn = Surroundings(around).draw(vectors)
    assert drawn == pytest.approx(np.stack([by_hand(around, vector) for vector in vectors]), abs=2e-3)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(30), abs=1e-5)


@given(asked=st.lists(st.integers(0, 299), min_size=1, max_size=40), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_where_it_moves_hangs_on_nothing_else(asked: list[int], seed: int) -> None:
    vectors = made_up(300, seed=seed, dimension=33).astype(np.float16)
    used, fresh = Surroundings(vectors), Surroundings(vectors)
    all_at_once = fresh.draw(vectors)
    used.draw(vectors[asked[::2]])
    assert np.array_equal(used.draw(vectors[asked]), all_at_once[asked])


@pytest.mark.parametrize("dimension", [384, 1_024])
def test_products_come_out_the_same_in_any_order(dimension: int) -> None:
    whole = surroundings._whole(made_up(200, seed=0, dimension=dimension).astype(np.float16))
    exact = whole.astype(np.float64) @ whole.T.astype(np.float64)
    assert np.array_equal(whole @ whole.T, exact)
    assert np.array_equal(whole[:1] @ whole.T, exact[:1])


def test_the_text_itself_and_its_copies_draw_it_nowhere() -> None:
    around = made_up(50, seed=0)
    copies = np.concatenate([around, np.repeat(around[:1], 20, axis=0)])
    assert np.array_equal(Surroundings(copies).draw(around[:1]), Surroundings(around[1:]).draw(around[:1]))
    alone = Surroundings(around[:1]).draw(around[:1])
    assert alone == pytest.approx(around[:1], abs=1e-3)


def test_a_vector_of_nothing_stays_one() -> None:
    drawn = Surroundings(made_up(200, seed=0)).draw(np.zeros((1, 12), dtype=np.float32))
    assert not drawn.any()


def test_fewer_texts_than_neighbours_will_do() -> None:
    around = made_up(4, seed=0)
    drawn = Surroundings(around).draw(made_up(3, seed=1))
    assert np.isfinite(drawn).all()
    assert Surroundings(around).draw(around[:0]).shape == (0, 12)


def test_what_is_kept_is_bounded_and_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_MOST_KEPT", 25 * 12)
    vectors = made_up(60, seed=0)
    small, large = Surroundings(vectors), Surroundings(vectors)
    expected = large.draw(vectors)
    for start in range(0, 60, 7):
        assert np.array_equal(small.draw(vectors[start : start + 20]), expected[start : start + 20])
        assert len(small._kept) <= 25
    assert np.array_equal(small.draw(vectors), expected)  # more than are kept, in one call


def test_they_stay_while_a_pool_grows_by_less_than_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_AMONG", 500)
    pool, _ = make_pool(items=1_300)
    begun, grown, large = (
        replace(pool, ids=pool.ids[:count], rows=pool.rows[:count]) for count in (1_200, 1_299, 1_300)
    )
    first = surroundings_of(begun, seed=3)
    assert surroundings_of(grown, seed=3) is first
    assert surroundings_of(large, seed=3) is not first
    assert surroundings_of(begun, seed=4) is not first
