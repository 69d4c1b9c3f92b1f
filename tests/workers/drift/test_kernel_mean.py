import numpy as np
import pytest

from shared.pool import Floats
from tests.workers.drift.world import DISTINCT, EVERYTHING, Texts, draw
from workers.drift.kernel_mean import Distance, distance, draw_frequencies, features, moments

_RNG = np.random.default_rng(0)
_FREQUENCIES = draw_frequencies(draw(EVERYTHING, 500, seed=99).vectors.astype(np.float32), rng=_RNG)


def test_features_give_the_kernel_and_are_of_length_one() -> None:
    vectors = _exact(draw(EVERYTHING, 200, seed=0))
    found = features(_FREQUENCIES, vectors)

    apart = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    usual = np.median(2 - 2 * (vectors @ vectors.T)[np.triu_indices(200, 1)])
    np.testing.assert_allclose((found**2).sum(axis=1), 1.0, atol=1e-5)
    # 64 frequencies give the kernel to about an eighth, and its mean over many pairs better.
    assert np.abs(found @ found.T - np.exp(-apart / (2 * usual))).mean() < 0.1


def test_without_a_change_p_is_spread_evenly() -> None:
    pooled = _exact(draw(EVERYTHING, 900, seed=1))
    rows = features(_FREQUENCIES, pooled)
    p = []
    for seed in range(300):
        order = np.random.default_rng(seed).permutation(len(rows))
        p.append(_distance(rows[order[:600]], rows[order[600:]]).p)

    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.1)


def test_another_distribution_is_found_and_said_how_much_of_it_moved_at_least() -> None:
    known = features(_FREQUENCIES, _exact(draw(EVERYTHING, 1_000, seed=2)))
    grown = {source: [8.0, *weights[1:]] for source, weights in EVERYTHING.items()}
    other = features(_FREQUENCIES, _exact(draw(grown, 500, seed=3)))

    found = _distance(known, other)

    assert found.p < 1e-6
    assert 0.01 < found.least_share < 8 / 27 - 1 / 20


def test_another_mix_of_strata_is_no_change() -> None:
    known, other = draw(DISTINCT, 2_000, seed=4), draw({**DISTINCT, "form": [0.0] * 15 + [20.0] * 5}, 600, seed=5)
    names = sorted(DISTINCT)
    strata, of_other = (np.array([names.index(source) for source in texts.sources]) for texts in (known, other))
    rows, others = (features(_FREQUENCIES, _exact(texts)) for texts in (known, other))

    apart = distance(moments(rows, strata, known=3), moments(others, of_other, known=3))

    assert apart.p > 0.001
    assert _distance(rows, others).p < 1e-9


def test_what_stands_beside_nothing_says_nothing() -> None:
    rows = features(_FREQUENCIES, _exact(draw(EVERYTHING, 100, seed=6)))

    nothing = moments(rows[:50], np.full(50, 1), known=1)

    assert distance(moments(rows, np.zeros(100, np.int64), known=1), nothing) == Distance(1.0, 0.0)


def _distance(one: Floats, two: Floats) -> Distance:
    return distance(*(moments(rows, np.zeros(len(rows), np.int64), known=1) for rows in (one, two)))


def _exact(texts: Texts) -> Floats:
    return texts.vectors.astype(np.float32)
