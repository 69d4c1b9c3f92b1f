"""The items nearest to one item. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.blocks import each_block
from shared.halves import widen
from shared.pool import Floats, Index, rows_of

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

    def compare(block: slice) -> None:
        cosine[block] = widen(rows_of(matrix, rows[block])) @ query

    each_block(len(rows), _BLOCK, compare)
    order: Index = np.argsort(-cosine, kind="stable")[:count]
    return order, cosine[order]
