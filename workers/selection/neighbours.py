"""The items nearest to one item. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index

# Rows multiplied at once: a memory map is read block by block.
_BLOCK = 4_096


def nearest_rows(vector: NDArray[Any], matrix: NDArray[Any], rows: Index, *, count: int) -> tuple[Index, Floats]:
    """The `count` rows nearest to a vector, the nearest first; among equals the earlier.

    Args:
        vector: (d,) float16 or float32, unit length.
        matrix: (m, d) float16 or float32, unit vectors; often a memory map.
        rows: (n,) int64, rows of `matrix` to look at.
        count: how many are wanted; fewer come when there are fewer.

    Returns:
        (k,) int64 positions in `rows`, and (k,) float32 their cosines with the vector.
    """
    query, cosine = vector.astype(np.float32), np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        cosine[start : start + _BLOCK] = matrix[rows[start : start + _BLOCK]].astype(np.float32) @ query
    order: Index = np.argsort(-cosine, kind="stable")[:count]
    return order, cosine[order]
