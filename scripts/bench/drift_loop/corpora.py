"""Labeled files as piles of distinct items."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from scripts.bench.drift_loop.streams import Items
from scripts.bench.selection_loop.sets import BenchSet, read_thinned
from scripts.bench.selection_loop.stored import stored_vectors
from shared.project import ProjectConfig
from workers.intake.duplicates import merge_groups, near_duplicates

_CLASSES = ("a", "b")


@lru_cache(maxsize=2)
def read_corpus(
    bench_set: BenchSet, *, cache: Path, encoder: str
) -> tuple[Items, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """One item of each duplicate group, as the drift watch looks at them, and their times (n,) in seconds.

    An item of several classes has their names joined; one without a source has that of the set.
    """
    rows = list(read_thinned(bench_set.file).items)
    vectors = stored_vectors(cache, encoder)
    found = vectors.locate(np.array([row.item.text_key for row in rows], dtype=np.int64))
    if (found < 0).any():
        raise RuntimeError(f"the cache of vectors lacks {int((found < 0).sum())} text(s) of {bench_set.name}")
    kept = _first_of_each(np.array([row.item.normal_key for row in rows], dtype=np.int64), vectors.matrix[found])
    rows = [rows[place] for place in kept.tolist()]
    items = Items(
        vectors=vectors.matrix[found[kept]],
        sources=np.array([row.item.source or bench_set.name for row in rows]),
        labels=np.array(["+".join(sorted(row.classes)) for row in rows]),
        texts=np.array([row.item.text for row in rows], dtype=object),
    )
    times = [np.nan if row.item.timestamp is None else row.item.timestamp for row in rows]
    return items, np.array(times, dtype=np.float64)


def _first_of_each(
    keys: np.ndarray[tuple[int], np.dtype[np.int64]], vectors: np.ndarray[tuple[int, int], np.dtype[np.float16]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of the first item of each duplicate group, ascending."""
    first = np.sort(np.unique(keys, return_index=True)[1])
    pairs = near_duplicates(
        new_ids=first,
        new=vectors[first],
        known_ids=first[:0],
        known=vectors[:0],
        threshold=ProjectConfig(classes=_CLASSES).near_duplicate_cosine,
    )
    others = {item for item, group in merge_groups(pairs, {}).items() if item != group}
    return first[~np.isin(first, list(others))]
