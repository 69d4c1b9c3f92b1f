from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, chi2_contingency, fisher_exact

from workers.drift.detectors import Counts, excess_p, expected, homogeneity_p, residuals, tabulate

_small = st.integers(0, 12)


def test_items_without_stratum_or_category_are_left_out() -> None:
    table, size = tabulate(np.array([0, 0, 1, -1]), np.array([2, -1, 0, 1]), shape=(2, 3))

    assert table.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert size.tolist() == [2, 1]


@settings(deadline=None)
@given(_small, _small, _small, _small)
def test_in_one_stratum_the_excess_is_judged_by_fishers_exact_test(a: int, b: int, c: int, d: int) -> None:
    counts = _counts([[[a], [b]]], sizes=[(a + c, b + d)])

    p = excess_p(counts)[0]

    is_excess = b > expected(counts)[0]
    assert p == pytest.approx(fisher_exact([[b, d], [a, c]], alternative="greater").pvalue if is_excess else 1.0)


@settings(deadline=None, max_examples=50)
@given(st.tuples(_small, _small, _small, _small), st.tuples(_small, _small, _small, _small))
def test_over_strata_the_excess_is_judged_by_the_sum_of_their_exact_distributions(
    one: tuple[int, int, int, int], two: tuple[int, int, int, int]
) -> None:
    counts = _counts(
        [[[one[0]], [one[1]]], [[two[0]], [two[1]]]],
        sizes=[(one[0] + one[2], one[1] + one[3]), (two[0] + two[2], two[1] + two[3])],
    )

    p = excess_p(counts)[0]

    seen = one[1] + two[1]
    by_hand = sum(_ways(one, x) * _ways(two, y) for x in range(25) for y in range(25) if x + y >= seen) / (
        sum(_ways(one, x) for x in range(25)) * sum(_ways(two, y) for y in range(25))
    )
    assert p == pytest.approx(by_hand if seen > expected(counts)[0] else 1.0)


def test_in_one_stratum_homogeneity_is_pearsons_chi_square() -> None:
    table = np.array([[40, 60, 80], [50, 20, 50]])
    counts = _counts([table.tolist()], sizes=[(180, 120)])

    statistic = chi2_contingency(table, correction=False).statistic * 299 / 300

    assert homogeneity_p(counts) == pytest.approx(chi2.sf(statistic, 2))


def test_strata_of_other_sizes_but_the_same_mix_are_alike() -> None:
    counts = _counts([[[90, 10], [9, 1]], [[10, 90], [100, 900]]], sizes=[(100, 10), (100, 1_000)])

    assert homogeneity_p(counts) == pytest.approx(1.0)
    np.testing.assert_allclose(expected(counts), [109, 901])
    np.testing.assert_allclose(residuals(counts), 0, atol=1e-9)


def test_a_change_inside_the_strata_is_seen_though_the_totals_are_alike() -> None:
    counts = _counts([[[100, 100], [250, 150]], [[200, 200], [50, 150]]], sizes=[(200, 400), (400, 200)])

    assert counts.reference.sum(axis=0).tolist() == counts.window.sum(axis=0).tolist()
    np.testing.assert_allclose(residuals(counts)[0], -residuals(counts)[1])


def test_homogeneity_raises_as_many_false_alarms_as_it_says() -> None:
    rng = np.random.default_rng(0)
    rates = rng.dirichlet(np.full(64, 0.5), size=4)  # many small categories, other ones in each stratum

    p = np.array([homogeneity_p(_draw(rng, rates)) for _ in range(400)])

    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert (p < 0.005).mean() <= 0.015


def test_samples_too_small_to_compare_are_alike() -> None:
    assert homogeneity_p(_counts([[[1, 0], [0, 1]]], sizes=[(1, 1)])) == 1.0
    assert homogeneity_p(_counts([[[30, 30], [0, 0]]], sizes=[(60, 0)])) == 1.0


def test_a_change_that_spreads_over_small_categories_counts_together() -> None:
    reference, window = [500] + [0] * 20, [480] + [1] * 20

    assert homogeneity_p(_counts([[reference, window]], sizes=[(500, 500)])) < 1e-4


def test_small_categories_that_are_left_over_join_the_last_group() -> None:
    reference, window = [2, 2, 2, 2, 0, 0, 0], [0, 0, 0, 0, 2, 2, 4]  # five make a group, the last two are too few

    assert homogeneity_p(_counts([[reference, window]], sizes=[(8, 8)])) == 1.0


def _ways(table: tuple[int, int, int, int], x: int) -> int:
    """Ways to deal the items of a stratum so that `x` of its hits are in the window; margins as in the table."""
    hits, others, window = table[0] + table[1], table[2] + table[3], table[1] + table[3]
    return comb(hits, x) * comb(others, window - x) if x <= window else 0


def _counts(tables: list[list[list[int]]], *, sizes: list[tuple[int, int]]) -> Counts:
    """Of `tables[stratum][0 is the reference, 1 the window][category]`."""
    both = np.array(tables, dtype=np.int64)
    size = np.array(sizes, dtype=np.int64)
    return Counts(both[:, 0], both[:, 1], size[:, 0], size[:, 1])


def _draw(rng: np.random.Generator, rates: np.ndarray) -> Counts:
    reference = np.array([rng.multinomial(250, rate) for rate in rates])
    window = np.array([rng.multinomial(125, rate) for rate in rates])
    return Counts(reference, window, reference.sum(axis=1), window.sum(axis=1))
