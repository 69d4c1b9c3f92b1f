"""Stretches of the pool, in order of arrival, of which the audit sample holds more: what a new regime is measured on.

A stretch is known by row numbers and maybe a source, never by a model or a draw, and its threshold stays. It may have
gaps, as a window by time has where items did not come in the order in which they happened. So an item's
inclusion probability is still known: the largest of its thresholds, as with the phases of `workers.training.bands`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask

_NAME = "window"
# Parts of a stretch that its name tells apart.
_MOST_PARTS = 200


def key(first: int, through: int, source: str | None = None) -> str:
    """The name of the threshold of items `first` to `through`, of one source or of all."""
    return _key([first], [through], source)


def key_of(ids: Index, inside: Mask, source: str | None = None) -> str:
    """The name of the threshold of some items, of one source or of all.

    Each later batch keeps it on record, so items that lie scattered over the pool are a stretch without the smallest
    of their gaps: `within` tells which items it has.

    Args:
        ids: (n,) int64, row numbers of all items, ascending.
        inside: (n,) bool, the stretch.
        source: Of which items are meant.
    """
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    first, through = ids[edges[::2]], ids[edges[1::2] - 1]
    gaps = first[1:] - through[:-1]
    kept = np.sort(np.argsort(-gaps, kind="stable")[: _MOST_PARTS - 1])
    return _key(first[[0, *(kept + 1)]].tolist(), through[[*kept, -1]].tolist(), source)


def _key(first: Sequence[int], through: Sequence[int], source: str | None) -> str:
    """Of the parts of a stretch that are without a gap, in ascending order."""
    rows = ":".join(",".join(map(str, edge)) for edge in (first, through))
    return f"{_NAME}:{rows}" + ("" if source is None else f":{source}")


def any_of(thresholds: Mapping[str, float]) -> bool:
    """Whether the sample holds more of some stretch, so that items of a stratum did not all enter alike."""
    return any(map(_is_of_a_stretch, thresholds))


def by_item(
    thresholds: Mapping[str, float], ids: Index, sources: Index, source_names: Sequence[str]
) -> NDArray[np.float64]:
    """(n,) the largest threshold that any stretch sets for each item; 0 for items in none.

    Args:
        thresholds: The sample's, those of other strata among them.
        ids: (n,) int64, the items' row numbers.
        sources: (n,) int64, codes of their sources.
        source_names: Names behind the codes.
    """
    largest = np.zeros(len(ids))
    for name, threshold in thresholds.items():
        if _is_of_a_stretch(name):
            inside = within(name, ids, sources, source_names)
            largest = np.where(inside, np.maximum(largest, threshold), largest)
    return largest


def _is_of_a_stretch(name: str) -> bool:
    return name.startswith(f"{_NAME}:")


def within(name: str, ids: Index, sources: Index, source_names: Sequence[str]) -> Mask:
    """(n,) which items are of the stretch that a threshold of this name is about; see `by_item`."""
    _, *edges = name.split(":", 3)
    first, through = (np.array([int(row) for row in edge.split(",")]) for edge in edges[:2])
    part, source = np.searchsorted(first, ids, side="right") - 1, edges[2:]
    inside: Mask = (part >= 0) & (ids <= through[part])
    if source:
        inside &= np.isin(sources, [code for code, known in enumerate(source_names) if known == source[0]])
    return inside


def draw(name: str, draws: NDArray[np.float64], ids: Index, *, count: int) -> tuple[dict[str, float], Index]:
    """The threshold that lets the first `count` items of a stretch into the sample, and these items by their draw.

    Args:
        name: Of the threshold.
        draws: (m,) float64, permanent random numbers of the items that may be asked for and are not in the sample.
        ids: (m,) int64, these items.
        count: Items wanted; all there are, if they are fewer.
    """
    first = np.argsort(draws, kind="stable")[:count]
    if not len(first):
        return {}, ids[first]
    return {name: float(np.nextafter(draws[first[-1]], 1.0))}, ids[first]
