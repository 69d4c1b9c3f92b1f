"""GALAXY against ways that are searched for on the graph itself."""

from collections.abc import Iterator

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from scripts.bench.selection_peers.galaxy import Signs, galaxy, next_on_chain
from shared.pool import Floats
from tests.scripts.bench.selection_peers.views import make_view


def middles(signs: Signs, order: int) -> set[int]:
    """The middles of all shortest ways from a yes to a no, where so many steps along the chain are one edge."""
    places = np.arange(len(signs))
    near = np.abs(places[:, None] - places) <= order
    cut = signs[:, None] * signs == -1  # edges between labels that differ are gone
    steps = shortest_path(csr_array((near & ~cut & ~np.eye(len(signs), dtype=bool)).astype(float)), unweighted=True)
    yes, no = np.flatnonzero(signs > 0), np.flatnonzero(signs < 0)
    length = steps[np.ix_(yes, no)].min()
    if not np.isfinite(length):
        return set()
    half = length // 2
    return {
        place
        for place in places.tolist()
        if signs[place] == 0
        and min(steps[yes, place].min(), steps[no, place].min()) <= half
        and steps[yes, place].min() + steps[no, place].min() == length
    }


@given(st.lists(st.sampled_from([-1, 0, 0, 1]), min_size=2, max_size=14))
def test_it_asks_for_the_middle_of_a_shortest_way_of_the_least_order(drawn: list[int]) -> None:
    signs = np.array(drawn, dtype=np.int8)
    assume({-1, 0, 1} <= set(drawn))
    found = next(ways for order in range(1, len(signs) + 1) if (ways := middles(signs, order)))
    assert next_on_chain(signs) in found


def test_it_halves_the_way_until_yes_stands_beside_no_and_then_goes_outwards() -> None:
    signs = np.array([1] + [0] * 15 + [-1], dtype=np.int8)
    assert list(_asked(signs, threshold=5, steps=7)) == [8, 4, 6, 5, 3, 2, 7]


def _asked(signs: Signs, *, threshold: int, steps: int) -> Iterator[int]:
    for _ in range(steps):
        place = next_on_chain(signs)
        assert place is not None
        yield place
        signs[place] = 1 if place < threshold else -1


def test_a_chain_without_a_yes_or_a_no_or_an_open_place_asks_nothing() -> None:
    for signs in ([0, 0, -1], [1, 0], [1, -1], [0, 0]):
        assert next_on_chain(np.array(signs, dtype=np.int8)) is None


def test_the_first_of_a_batch_is_the_middle_of_the_shortest_way_on_the_chain_of_the_first_class() -> None:
    view = make_view()
    assert view.probability is not None
    scores = [_score(probability) for probability in view.probability]
    chain = np.argsort(-np.array(scores), kind="stable")
    told = np.where(view.pool.targets[chain, 0], 1, -1) * view.pool.labeled[chain]
    place = next_on_chain(told.astype(np.int8))
    assert place is not None
    assert galaxy(view, 5)[0] == chain[place]


def _score(probability: Floats) -> float:
    """How far the first class is behind the most probable one, or before the others by how probable it is."""
    best = float(probability.max())
    return float(probability[0]) if probability[0] == best else float(probability[0]) - best
