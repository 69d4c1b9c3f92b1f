"""The cases: which set, which change, and how much of each window it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from scripts.bench.drift_loop import synthetic
from scripts.bench.drift_loop.dated import DATED, Times, make_dated
from scripts.bench.drift_loop.streams import REFERENCE, WINDOW, Drawer, Items, Stream, together
from shared.pool import Mask

MADE_UP = "clusters"
NULL, FAR, NEAR, EVENT, RARE, MIX = "nothing", "far", "near", "event", "rare class doubled", "source mix"
_BEFORE, _AFTER, _TAUGHT = 2, 4, 1_000
# Windows of a made-up null stream, which has no end by itself.
_NULL_WINDOWS = 25
# Share of a class or of sources that is kept apart to come on top later.
_HELD_BACK = 0.25
# Of the window, on top of what usually comes from half of the sources.
_MIX_SHARE = 0.2


@dataclass(frozen=True)
class Case:
    """A change in a set.

    Attributes:
        set: The labeled file, or `clusters`.
        change: What happens.
        share: Of a window, of what is new; 0 where the change itself says how much.
    """

    set: str
    change: str
    share: float = 0.0

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.change} {self.share:.0%}".replace("%", " %") if self.share else self.change


_SHARES = (0.02, 0.05, 0.10)
# A domain or an intent is new only if a window can hold enough of it.
_FEWEST = round(max(_SHARES) * WINDOW)
CASES = (
    *(
        Case(name, NULL)
        for name in (MADE_UP, "clinc150_full", "hwu64", "crisislex_t26", "crisislex_t6", "davidson_hate")
    ),
    *(
        Case(name, change, share)
        for name in (MADE_UP, "clinc150_full", "hwu64")
        for change in (FAR, NEAR)
        for share in _SHARES
    ),
    *(Case(name, EVENT, share) for name in ("crisislex_t26", "crisislex_t6") for share in _SHARES),
    Case("davidson_hate", RARE),
    Case(MADE_UP, MIX),
    Case("crisislex_t26", MIX),
    Case("crisislex_t6", MIX),
    *(Case("crisislex_t26", change) for change in DATED),
)


def make_stream(case: Case, items: Items | None, *, seed: int, times: Times | None = None) -> Stream:
    """The stream that a seed sees of a case.

    Args:
        case: What happens.
        items: The set's; None for made-up clusters.
        seed: Draws which domain, class or event is new, and all items.
        times: (n,) seconds, of the items; a case by date needs them.

    Raises:
        ValueError: a case by date is asked for of items without times.
    """
    rng = np.random.default_rng([seed, *case.name.encode(), *case.set.encode()])
    if items is None:
        return _made_up(case, rng)
    if case.change in DATED:
        if times is None:
            raise ValueError(f"{case.name}: the times of the items are missing")
        return make_dated(case.change, items, times, seed=seed, rng=rng)
    usual, new, share = _piles(case, items, rng)
    order = rng.permutation(len(usual))
    size = min(REFERENCE, len(order) // 2)
    reference, taught = usual.take(order[:size]), usual.take(order[size : size + _TAUGHT])
    rest = usual.take(order[size + _TAUGHT :])
    if new is None:
        windows = tuple(
            rest.take(np.arange(start, start + WINDOW)) for start in range(0, len(rest) - WINDOW + 1, WINDOW)
        )
        return Stream(reference, windows, len(windows), taught)
    pile, drawn = Drawer(rest, rng), Drawer(new, rng)
    count = round(share * WINDOW)
    before = [pile.draw(WINDOW) for _ in range(_BEFORE)]
    after = [together(pile.draw(WINDOW - count), drawn.draw(count)) for _ in range(_AFTER)]
    return Stream(reference, (*before, *after), _BEFORE, taught)


def _made_up(case: Case, rng: np.random.Generator) -> Stream:
    world = synthetic.make_world(rng)

    def window(share: float) -> Items:
        count = round(share * WINDOW)
        usual = synthetic.usual(world, WINDOW - count, rng)
        if case.change == MIX:
            return together(usual, synthetic.usual(world, count, rng, source=0))
        return together(usual, synthetic.new(world.far if case.change == FAR else world.near, count, rng))

    reference, taught = (synthetic.usual(world, count, rng) for count in (REFERENCE, _TAUGHT))
    if case.change == NULL:
        return Stream(reference, tuple(window(0.0) for _ in range(_NULL_WINDOWS)), _NULL_WINDOWS, taught)
    share = case.share or _MIX_SHARE / 2
    windows = [window(0.0) for _ in range(_BEFORE)] + [window(share) for _ in range(_AFTER)]
    return Stream(reference, tuple(windows), _BEFORE, taught)


def _piles(case: Case, items: Items, rng: np.random.Generator) -> tuple[Items, Items | None, float]:
    """What usually comes, what is new in a window after the change, and its share of that window."""
    if case.change == NULL:
        return (items if case.set.startswith("crisislex") else _one_source(items)), None, 0.0
    if case.change == MIX:
        names = np.unique(items.sources)
        favoured = np.isin(items.sources, rng.permutation(names)[: len(names) // 2])
        held = _part(favoured, rng)
        return items.take(~held), items.take(held), _MIX_SHARE
    if case.change == RARE:
        rare = _rarest(items)
        held = _part(rare, rng)
        rate = (rare & ~held).sum() / (~held).sum()
        return _one_source(items.take(~held)), _one_source(items.take(held)), float(rate / (1 - rate))
    is_new = _NEW[case.change](items, rng)
    return _one_source(items.take(~is_new)), _one_source(items.take(is_new)), case.share


def _domain(items: Items, rng: np.random.Generator) -> Mask:
    """All items of one domain or event, of those that have enough."""
    names, counts = np.unique(items.sources, return_counts=True)
    chosen: Mask = items.sources == rng.choice(names[counts >= _FEWEST])
    return chosen


def _intent(items: Items, rng: np.random.Generator) -> Mask:
    """All items of one intent, of those that have enough and stand beside others in their domain."""
    names, first, counts = np.unique(items.labels, return_index=True, return_counts=True)
    domains = items.sources[first]
    beside = np.array([(domains == domain).sum() > 1 for domain in domains])
    chosen: Mask = items.labels == rng.choice(names[beside & (counts >= _FEWEST)])
    return chosen


def _rarest(items: Items) -> Mask:
    names, counts = np.unique(items.labels, return_counts=True)
    rarest: Mask = items.labels == names[counts.argmin()]
    return rarest


def _part(of: Mask, rng: np.random.Generator) -> Mask:
    """A quarter of the marked items, drawn at random."""
    return of & (rng.random(len(of)) < _HELD_BACK)


def _one_source(items: Items) -> Items:
    """The same items, without a word on where they come from: a new domain would be a new source."""
    return replace(items, sources=np.full(len(items), "one"))


_NEW: Mapping[str, Callable[[Items, np.random.Generator], Mask]] = {FAR: _domain, EVENT: _domain, NEAR: _intent}
