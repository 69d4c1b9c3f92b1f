"""The order in which a batch is handed out. Pure."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from shared.pool import Index, Mask


def mix(channels: Sequence[str], rare: Mask, rng: np.random.Generator) -> Index:
    """Mix the items of a batch, so that whoever takes a few in a row sees rare ones among them.

    Annotators who meet none for long stop looking for them (Wolfe, Horowitz and Kenner, "Rare items often missed in
    visual searches", 2005). The ranks are cut into as many blocks, equally long within one item, as there are rare
    items, and each block gets one of them, at a place drawn by chance. Of any r ranks in a row at least
    floor(r * share) - 1 are rare, with `share` that of the batch. Chance is in it since evenly spaced items would meet
    annotators who take turns always at the same turn. Within rare and other items each channel is spread evenly.

    Args:
        channels: (n,) the channel of each item, in the order in which they were chosen.
        rare: (n,) the likely rare ones.
        rng: Draws the places.

    Returns:
        (n,) positions into the batch by rank.
    """
    items, count = np.arange(len(rare)), int(rare.sum())
    edges = np.arange(count + 1) * len(rare) // max(1, count)
    ranks = np.zeros(len(rare), dtype=bool)
    ranks[rng.integers(edges[:-1], edges[1:])] = True
    order = np.empty(len(rare), dtype=np.int64)
    for part in (True, False):
        order[ranks == part] = _evenly(items[rare == part], channels)
    return order


def _evenly(items: Index, channels: Sequence[str]) -> Index:
    """The items with those of each channel at even distances."""
    size = Counter(channels[item] for item in items.tolist())
    seen: Counter[str] = Counter()
    place = []
    for item in items.tolist():
        channel = channels[item]
        place.append((seen[channel] + 0.5) / size[channel])
        seen[channel] += 1
    order: Index = items[np.argsort(np.array(place), kind="stable")]
    return order
