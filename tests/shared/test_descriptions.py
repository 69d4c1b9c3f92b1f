"""What a rule that describes its class hits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.descriptions import described_hits, description_texts
from shared.pool import Floats, Mask, Pool
from shared.project import Rule
from shared.vectors import VectorTable, text_key
from tests.pools import make_pool

NOTHING = VectorTable(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 0), np.float16))


def described(name: str, text: str = "what it is like") -> Rule:
    return Rule.model_validate({"name": name, "class": "rare", "description": text})


def table(**vectors: Floats) -> VectorTable:
    keys = np.array([text_key(text) for text in vectors], dtype=np.int64)
    order = np.argsort(keys)
    return VectorTable(keys[order], order, np.array(list(vectors.values()), dtype=np.float16))


def hits(pool: Pool, rules: list[Rule], descriptions: VectorTable) -> tuple[Mask, Floats]:
    return described_hits(rules, descriptions, matrix=pool.matrix, rows=pool.rows, groups=pool.groups)


@pytest.mark.parametrize(
    ("items", "expected"), [(1, 1), (4, 1), (60, 6), (400, 40), (2_000, 100), (9_000, 100), (20_000, 200)]
)
def test_the_nearest_of_the_pool_are_hits_and_their_number_follows_from_its_size(items: int, expected: int) -> None:
    pool, _ = make_pool(items=items)
    query = pool.vectors(np.array([0]))[0]
    hit, score = hits(pool, [described("d", "query")], table(query=query))
    cosine = pool.vectors(np.arange(items)) @ query
    assert hit.sum() == expected
    assert cosine[hit[:, 0]].min() >= cosine[~hit[:, 0]].max(initial=-1.0)
    np.testing.assert_allclose(score[hit], cosine[hit[:, 0]], atol=1e-3)
    assert not score[~hit].any()


def test_only_rules_with_a_description_that_has_a_vector_hit() -> None:
    pool, _ = make_pool(items=100)
    words = Rule.model_validate({"name": "w", "class": "rare", "keywords": ["one"]})
    rules = [described("late", "later"), words, described("d", "one"), described("e", "two")]
    one, two = pool.vectors(np.array([3, 4]))
    hit, score = hits(pool, rules, table(two=two, one=one))
    assert hit.sum(axis=0).tolist() == [0, 0, 10, 10]
    assert (hit[3, 2], hit[4, 3]) == (True, True)
    assert score.argmax(axis=0)[2:].tolist() == [3, 4]
    assert not hits(pool, rules, NOTHING)[0].any()


def test_a_text_that_came_often_takes_one_place() -> None:
    pool, _ = make_pool(items=1_000)
    rows, groups = pool.rows.copy(), pool.groups.copy()
    rows[:500], groups[:500] = 0, 1
    pool = replace(pool, rows=rows, groups=groups)
    hit, _ = hits(pool, [described("d", "query")], table(query=pool.vectors(np.array([0]))[0]))
    assert hit[:500].all()
    assert hit[500:].sum() == 49


def test_an_empty_pool_has_no_hits() -> None:
    rules = [described("d", "query")]
    query = np.full(16, 0.25, dtype=np.float32)
    empty = np.empty(0, dtype=np.int64)
    found = described_hits(rules, table(query=query), matrix=NOTHING.matrix, rows=empty, groups=empty)
    assert [part.shape for part in found] == [(0, 1), (0, 1)]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(0, 1_000))
def test_a_description_hits_something_and_never_more_than_it_may(items: int, seed: int) -> None:
    pool, _ = make_pool(items=items, seed=seed)
    query = np.random.default_rng(seed).normal(size=16).astype(np.float32)
    hit, _ = hits(pool, [described("d", "query")], table(query=query / np.linalg.norm(query)))
    assert 1 <= hit.sum() <= max(1, round(items / 10))


def test_each_description_needs_one_vector() -> None:
    rules = [described("a", "x"), described("b", "x"), described("c", "y")]
    assert description_texts(rules) == {text_key("x"): "x", text_key("y"): "y"}
