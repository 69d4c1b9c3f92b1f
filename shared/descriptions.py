"""Seeding rules that describe their class: they hit the items that are nearest to the description by embedding.

What is near depends on the whole pool, so such hits are found anew each time that the pool is loaded, and are not kept.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.pool import Floats, Index, Mask
from shared.project import Rule
from shared.vectors import VectorTable, text_key

# Of the pool's duplicate groups so many are hits: few enough that most are of the class when it is a rare one, and
# enough for some batches. A tenth at most, since in a small pool the hundredth nearest item is not near.
_SHARE = 0.01
_AT_LEAST = 100
_LARGEST_SHARE = 0.1

# Items compared at once: the block and its product stay in the processor's cache.
_BLOCK = 4_096


def description_texts(rules: Sequence[Rule]) -> dict[int, str]:
    """Text key -> description, for the rules that have one: what needs a vector."""
    return {text_key(rule.description): rule.description for rule in rules if rule.description is not None}


def described_hits(
    rules: Sequence[Rule], descriptions: VectorTable, *, matrix: NDArray[np.float16], rows: Index, groups: Index
) -> tuple[Mask, Floats]:
    """Which items the descriptions hit, and how near they are.

    Args:
        rules: A project's rules, of all kinds.
        descriptions: Holds the vectors of their descriptions; a rule whose description has none yet hits nothing.
        matrix: (m, d) float16 unit vectors of the pool.
        rows: (n,) int64, row of `matrix` for each item.
        groups: (n,) int64, equal for items of one duplicate group. A group counts once, so that a text that came a
            thousand times does not take all places.

    Returns:
        (n, n_rules) bool hits, and (n, n_rules) float32 scores: the cosine, 0 where there is no hit.
    """
    hits, scores = np.zeros((len(rows), len(rules)), dtype=bool), np.zeros((len(rows), len(rules)), dtype=np.float32)
    keys = {place: text_key(rule.description) for place, rule in enumerate(rules) if rule.description is not None}
    found = descriptions.locate(np.array(list(keys.values()), dtype=np.int64))
    columns = np.array(list(keys), dtype=np.int64)[found >= 0]
    if len(columns) and len(rows):
        cosine = _cosines(descriptions.matrix[found[found >= 0]].astype(np.float32), matrix, rows)
        hits[:, columns] = cosine >= _cut(cosine, groups)
        scores[:, columns] = np.where(hits[:, columns], cosine, 0)
    return hits, scores


def _cosines(queries: Floats, matrix: NDArray[np.float16], rows: Index) -> Floats:
    """(n, k) float32 of each item with each of the `queries` (k, d)."""
    cosine = np.empty((len(rows), len(queries)), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = matrix[rows[start : start + _BLOCK]].astype(np.float32)
        cosine[start : start + _BLOCK] = block @ queries.T
    return cosine


def _cut(cosine: Floats, groups: Index) -> Floats:
    """(k,) least cosine that is a hit: that of the last group that still has a place, each group by its first item."""
    first = cosine[np.unique(groups, return_index=True)[1]]
    count = len(first)
    places = min(max(_AT_LEAST, round(count * _SHARE)), max(1, round(count * _LARGEST_SHARE)))
    cut: Floats = np.partition(first, count - places, axis=0)[count - places]
    return cut
