"""Streams by date: a new event that comes as it came, and all events in the order of time."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scripts.bench.drift_loop.streams import REFERENCE, WINDOW, Drawer, Items, Stream, together

BY_DAY, IN_ORDER = "new event day by day", "events in order of time"
DATED = (BY_DAY, IN_ORDER)

Times = NDArray[np.float64]

_DAY_S = 86_400
_BEFORE, _DAYS = 2, 10
# Before an event so many others' items must lie: the reference, what a model is taught, and two windows.
_TAUGHT = 1_000
_EARLIER = REFERENCE + _TAUGHT + _BEFORE * WINDOW


def make_dated(change: str, items: Items, times: Times, *, seed: int, rng: np.random.Generator) -> Stream:
    """The stream of a change by date.

    Args:
        change: One of `DATED`.
        items: All of a set; their sources are the events.
        times: (n,) seconds.
        seed: Of the events that others came before, the one whose turn it is.
        rng: Draws what else comes.

    Raises:
        ValueError: an item has no time.
    """
    if np.isnan(times).any():
        raise ValueError(f"{np.isnan(times).sum()} items have no time; a stream by date needs all")
    stream = _day_by_day(items, times, seed, rng) if change == BY_DAY else _in_order(items, times, rng)
    return replace(
        stream,
        reference=_unnamed(stream.reference),
        windows=tuple(_unnamed(window) for window in stream.windows),
        taught=_unnamed(stream.taught),
    )


def _day_by_day(items: Items, times: Times, seed: int, rng: np.random.Generator) -> Stream:
    """Each window after the second is a day: the event's items of it, filled up with items of events before."""
    names, codes = np.unique(items.sources, return_inverse=True)
    begun = np.full(len(names), np.inf)
    np.minimum.at(begun, codes, times)
    earlier = [int((begun[codes] < start).sum()) for start in begun]
    late = [code for code in np.argsort(begun, kind="stable").tolist() if earlier[code] >= _EARLIER]
    event = late[seed % len(late)]
    known = items.take(begun[codes] < begun[event])
    days = ((times - begun[event]) // _DAY_S).astype(np.int64)
    parts = [items.take((codes == event) & (days == day)) for day in range(_DAYS)]
    order = rng.permutation(len(known))
    pile = Drawer(known.take(order[REFERENCE + _TAUGHT :]), rng)
    return Stream(
        reference=known.take(order[:REFERENCE]),
        windows=(
            *(pile.draw(WINDOW) for _ in range(_BEFORE)),
            *(together(pile.draw(WINDOW - len(part)), part) for part in parts),
        ),
        before=_BEFORE,
        taught=known.take(order[REFERENCE : REFERENCE + _TAUGHT]),
        shares=(*(0.0 for _ in range(_BEFORE)), *(len(part) / WINDOW for part in parts)),
    )


def _in_order(items: Items, times: Times, rng: np.random.Generator) -> Stream:
    """The first items are what is known; what comes later is of other events, nearly all of it."""
    order = np.argsort(times, kind="stable")
    first, rest = rng.permutation(order[: REFERENCE + _TAUGHT]), order[REFERENCE + _TAUGHT :]
    windows = tuple(items.take(rest[start : start + WINDOW]) for start in range(0, len(rest) - WINDOW + 1, WINDOW))
    known = np.unique(items.sources[first])
    return Stream(
        reference=items.take(first[:REFERENCE]),
        windows=windows,
        before=0,
        taught=items.take(first[REFERENCE:]),
        shares=tuple(float((~np.isin(window.sources, known)).mean()) for window in windows),
    )


def _unnamed(items: Items) -> Items:
    """The same items, without the name of their event: it would tell of a new one by itself."""
    return replace(items, sources=np.full(len(items), "one"))
