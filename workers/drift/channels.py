"""What is watched, and the part of the false alarms that each may raise."""

from enum import StrEnum


class Channel(StrEnum):
    """A statistic of windows of items. Other rooms watch labels, by channels of their own."""

    NOVELTY = "novelty"
    """Items that nothing in the reference is near to, which takes in those far from everything."""
    CLUMPS = "clumps"
    """Items that lie closer together than the reference explains, source by source."""
    CELLS = "cells"
    """How the items spread over cells of the reference, source by source."""
    EMBEDDING = "embedding"
    """The mean embedding, source by source."""
    MIX = "mix"
    """How much each source sends."""
    TEXT = "text"
    """What the texts are like on the outside, source by source."""
    DUPLICATES = "duplicates"
    """Items that repeat an earlier one."""
    PREDICTED = "predicted"
    """How the current model decides, source by source."""
    CONFIDENCE = "confidence"
    """How sure it is."""
    RARE = "rare"
    """How likely each rare class is to it, source by source."""


# New kinds of text are what the watch is for, and the hardest to tell from chance while they are few: they get most of
# the budget. A rare class that grows comes next. A change of the sources, of the texts' form or of all decisions is
# seldom small.
PART = {
    Channel.NOVELTY: 0.20,
    Channel.CLUMPS: 0.20,
    Channel.CELLS: 0.15,
    Channel.EMBEDDING: 0.10,
    Channel.MIX: 0.13,
    Channel.TEXT: 0.04,
    Channel.DUPLICATES: 0.04,
    Channel.PREDICTED: 0.01,
    Channel.CONFIDENCE: 0.01,
    Channel.RARE: 0.12,
}
CONTENT = (Channel.NOVELTY, Channel.CLUMPS, Channel.CELLS, Channel.EMBEDDING)
"""Channels that point at items; the others never call for labels by themselves."""

AT_ONCE = 0.75
"""Part of the budget for what a single window shows; the rest is for what many windows show together."""

LEAST_SHARE = 0.005
"""Of a window's items must be affected, or there is no alarm, however sure it is: a huge window would find that nothing
is ever quite the same."""

TOLERANCE = 0.05
"""The difference between two mixes that counts as none, as Cohen's w: half of what Cohen (1988) calls small."""


def alpha(channel: Channel, *, budget: float, scopes: int = 1) -> float:
    """Chance of a false alarm that one window may raise in one of a channel's scopes.

    Expected false alarms add up, dependent or not, so `budget` false alarms in 1,000 windows are never exceeded in the
    mean, however long the watch goes on.

    Args:
        channel: What is watched.
        budget: False alarms that 1,000 windows may bring in all.
        scopes: Parts of the channel that are judged one by one.
    """
    return budget / 1_000 * AT_ONCE * PART[channel] / scopes


def patience(channel: Channel, *, budget: float, scopes: int = 1) -> float:
    """Windows in which evidence gathered over time may raise one false alarm in one of a channel's scopes."""
    return 1_000 / budget / (1 - AT_ONCE) / PART[channel] * scopes
