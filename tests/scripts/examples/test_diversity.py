import numpy as np
import pytest

from scripts.examples.diversity import CLUSTERS, fixed_clusters, mean_distance, touched, touched_by_chance
from tests.pools import make_pool


def test_the_distance_is_the_mean_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 5))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = [1 - float(vectors[a] @ vectors[b]) for a in range(20) for b in range(a)]

    assert mean_distance(vectors) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert mean_distance(np.repeat(vectors[:1], 4, axis=0)) == pytest.approx(0, abs=1e-6)


def test_clusters_are_fixed_and_counted_once() -> None:
    pool, _ = make_pool(items=600)
    clusters = fixed_clusters(pool)

    assert (clusters == fixed_clusters(pool)).all()
    assert len(np.unique(clusters)) <= CLUSTERS
    assert touched(clusters, np.arange(600)) == len(np.unique(clusters))
    assert touched(clusters, np.flatnonzero(clusters == clusters[0])) == 1


def test_all_candidates_touch_what_they_touch_and_fewer_touch_fewer() -> None:
    clusters, candidates = np.arange(50) % 10, np.arange(50)

    assert touched_by_chance(clusters, candidates, 50) == 10
    assert touched_by_chance(clusters, candidates, 1) == 1
    assert 5 < touched_by_chance(clusters, candidates, 10) < 9
