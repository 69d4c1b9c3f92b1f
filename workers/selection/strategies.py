"""Strategies: how a batch divides among channels. `quietcorner` is the product; the others are its yardsticks."""

from collections.abc import Callable

import numpy as np

from workers.selection import channels
from workers.selection.channels import Channel
from workers.selection.view import View

Division = list[tuple[str, Channel, int]]
"""Channels in the order in which they choose, with the places that each may fill. Places that one leaves empty go to
the last channel, which may fill what is left."""

Strategy = Callable[[View, int], Division]
"""Divides so many places among channels."""

# Half of the places before the first model, when there are rule hits: rules find rare classes at once, the other half
# shows what no rule foresaw.
_RULE_SHARE_AT_FIRST = 0.5
# While a class still lacks examples. Low, since the model soon finds what the rules find.
_RULE_SHARE = 0.2
# While a class has no example and no rule could find it one.
_COVERAGE_SHARE = 0.2
# To find rare items without spoiling the model: half the batch found most and learned worst on noisy classes.
_LIKELY_SHARE = 0.3


def quietcorner(view: View, places: int) -> Division:
    """Rules and coverage first; then mostly the boundary, with a share for rare classes while they are rare."""
    ruled = bool(len(channels.rule(view, 1).index)) if view.pool.rule_names else False
    if view.probability is None:
        by_rule = round(places * _RULE_SHARE_AT_FIRST) if ruled else 0
        return [("rule", channels.rule, by_rule), ("coverage", channels.coverage, places - by_rule)]
    counts = view.pool.label_counts
    by_rule = round(places * _RULE_SHARE) if ruled else 0
    by_likely = round(places * _LIKELY_SHARE) if np.any(view.rare & (counts > 0)) else 0
    by_coverage = round(places * _COVERAGE_SHARE) if np.any(counts == 0) else 0
    return [
        ("rule", channels.rule, by_rule),
        ("likely", channels.likely, by_likely),
        ("coverage", channels.coverage, by_coverage),
        ("boundary", channels.boundary, places - by_rule - by_likely - by_coverage),
    ]


def margin(view: View, places: int) -> Division:
    """Least margin; random before the first model."""
    return [("boundary", channels.chance if view.probability is None else channels.margin, places)]


def entropy(view: View, places: int) -> Division:
    """Highest entropy; random before the first model."""
    return [("boundary", channels.chance if view.probability is None else channels.entropy, places)]


def random(_view: View, places: int) -> Division:
    """Every eligible item with the same probability."""
    return [("audit", channels.chance, places)]


STRATEGIES: dict[str, Strategy] = {
    "quietcorner": quietcorner,
    "random": random,
    "entropy": entropy,
    "margin": margin,
}
