"""The nearest rows: the same as a plain sort, whatever the blocks."""

import numpy as np
import pytest

from workers.selection import neighbours
from workers.selection.neighbours import nearest_rows


def unit_vectors(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    vectors = np.random.default_rng(0).normal(size=(count, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16)


@pytest.mark.parametrize("block", [1, 7, 4_096])
def test_the_nearest_rows_come_first_with_their_cosines(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    matrix, rows = unit_vectors(50), np.arange(49, 9, -1)
    positions, cosine = nearest_rows(matrix[0], matrix, rows, count=5)
    exact = matrix[rows].astype(np.float32) @ matrix[0].astype(np.float32)

    assert positions.tolist() == np.argsort(-exact, kind="stable")[:5].tolist()
    assert cosine == pytest.approx(np.sort(exact)[::-1][:5], abs=1e-6)


def test_of_equal_rows_the_earlier_comes_first() -> None:
    matrix = unit_vectors(3)[[0, 1, 1, 1, 2]]
    positions, _ = nearest_rows(matrix[1], matrix, np.array([4, 3, 2, 1]), count=3)

    assert positions.tolist() == [1, 2, 3]


@pytest.mark.parametrize(("rows", "count", "found"), [(3, 10, 3), (0, 10, 0), (3, 0, 0)])
def test_fewer_come_when_there_are_fewer(rows: int, count: int, found: int) -> None:
    positions, cosine = nearest_rows(unit_vectors(1)[0], unit_vectors(5), np.arange(rows), count=count)

    assert (len(positions), len(cosine)) == (found, found)
