"""Strategies: how a batch divides among channels. `quietcorner` is the product; the others are its yardsticks."""

from collections.abc import Callable

import numpy as np

from workers.selection import channels
from workers.selection.channels import Channel
from workers.selection.needs import Need
from workers.selection.view import View

Division = list[tuple[str, Channel, int]]
"""Channels in the order in which they choose, with the places that each may fill. Places that one leaves empty go to
the last channel, which may fill what is left."""

Strategy = Callable[[View, int], Division]
"""Divides so many places among channels."""

# Half of the places before the first model, when there are rule hits: rules find rare classes at once, the other half
# shows what no rule foresaw.
_RULE_SHARE_AT_FIRST = 0.5
# Of what is not for rules, when the first labels showed one class only: a rare class may be typical of nothing, and one
# such set of five was searched by coverage alone for 350 labels in vain.
_CHANCE_SHARE = 0.5
# While a class still lacks examples. Low, since the model soon finds what the rules find.
_RULE_SHARE = 0.2
# While a class has no example and no rule could find it one.
_COVERAGE_SHARE = 0.2
# For rare classes while they are rare among the labels too. On the development sets 0.2 found fewer of the 1 % classes
# and learned them no better, 0.5 cost macro-F1 on noisy toxicity.
_STARVED_SHARE = 0.3
# What a rare class gets later is its rate of hits to this power: all right gets all, half right a third, a third right
# a fifth. Of 1, 1.5 and 2 the last found a tenth fewer at half the budget, the first cost macro-F1 on noisy toxicity.
# All of that goes by what the class lacks of an even share of the labels, unless a target asks for more. Otherwise spam
# became nearly all that was labeled: half as much again was found, and 0.004 of macro-F1 was lost, on hate speech
# 0.006, on 64 intents 0.02.
_SURE_EXPONENT = 1.5
# Labels of a class from which on that counts in full: before, its boundary is worth more than its bulk. 200 found a
# tenth fewer at half the budget on separable sets.
_SURE_LABELS = 50
# Rare classes never get more than this, so that the boundary is always looked at.
_MOST_FOR_RARE = 0.7
# Of what rare classes get, for neighbours of what is labeled: they hold kinds of a class that a linear model misses.
_ANCHOR_SHARE = 0.3


def quietcorner(view: View, places: int) -> Division:
    """Rules and coverage first; then the boundary, with a share for rare classes that they have to earn."""
    ruled = bool(channels.wanted_rules(view))
    if view.probability is None:
        by_rule = round(places * _RULE_SHARE_AT_FIRST) if ruled else 0
        by_chance = round((places - by_rule) * _CHANCE_SHARE) if view.pool.labeled.any() else 0
        return [
            ("rule", channels.rule, by_rule),
            ("coverage", channels.chance, by_chance),
            ("coverage", channels.coverage, places - by_rule - by_chance),
        ]
    for_rare = min(_share_for_rare(view, places), _MOST_FOR_RARE) * places
    expected = sum(need.left for need in view.needs if need.rare)
    sought = min(round(for_rare), int(np.ceil(2 * expected)))  # no more than could be there, with doubt on our side
    by_anchor = round(sought * _ANCHOR_SHARE)
    by_rule = round(places * _RULE_SHARE) if ruled else 0
    by_coverage = round(places * _COVERAGE_SHARE) if np.any(view.pool.label_counts == 0) else 0
    by_rule, by_coverage = min(by_rule, places - sought), min(by_coverage, max(0, places - sought - by_rule))
    return [
        ("rule", channels.rule, by_rule),
        ("likely", channels.likely, sought - by_anchor),
        ("anchor", channels.anchor, by_anchor),
        ("coverage", channels.coverage, by_coverage),
        ("boundary", channels.boundary, places - by_rule - sought - by_coverage),
    ]


def _share_for_rare(view: View, places: int) -> float:
    """The mean over the rare classes of what each deserves; 0 without one that has an example."""
    rare = channels.known_rare(view)
    if not rare:
        return 0.0
    each = max(1, int(places * _STARVED_SHARE / len(rare)))
    return float(np.mean([_deserves(view, need, each) for need in rare]))


def _deserves(view: View, need: Need, places: int) -> float:
    sure: float = channels.hit_rate(view, need, places) ** _SURE_EXPONENT * min(1.0, need.labels / _SURE_LABELS)
    return need.starved * _STARVED_SHARE + _lacks(view, need) * sure


def _lacks(view: View, need: Need) -> float:
    """The part of an even share of the labels that a class lacks; all where it has a target, which is not met."""
    counts = view.pool.label_counts
    if view.pool.classes[need.column] in view.config.targets:
        return 1.0
    return max(0.0, 1 - need.labels * len(counts) / max(1, int(counts.sum())))


def without(channel: str) -> Strategy:
    """`quietcorner` with one channel less, whose places go to the last (to chance, before the first model)."""

    def strategy(view: View, places: int) -> Division:
        kept = [share for share in quietcorner(view, places) if share[0] != channel]
        freed = places - sum(share for _, _, share in kept)
        if view.probability is None or not kept:
            return [*kept, ("coverage", channels.chance, freed)]
        name, last, share = kept[-1]
        return [*kept[:-1], (name, last, share + freed)]

    return strategy


def margin(view: View, places: int) -> Division:
    """Least margin; random before the first model."""
    return [("boundary", channels.chance if view.probability is None else channels.margin, places)]


def entropy(view: View, places: int) -> Division:
    """Highest entropy; random before the first model."""
    return [("boundary", channels.chance if view.probability is None else channels.entropy, places)]


def random(_view: View, places: int) -> Division:
    """Every eligible item with the same probability."""
    return [("audit", channels.chance, places)]


# They choose as their papers say, without a floor of likely rare items.
YARDSTICKS = {"random", "entropy", "margin"}
# Yardsticks are measured from outside and draw no audit sample.
UNAUDITED = {"random", "entropy", "margin"}

STRATEGIES: dict[str, Strategy] = {
    "quietcorner": quietcorner,
    "random": random,
    "entropy": entropy,
    "margin": margin,
}
