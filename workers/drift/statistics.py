"""One statistic of a window: what it says, how much of the window it concerns, and what it counted."""

from dataclasses import dataclass

import numpy as np

from workers.drift.channels import LEAST_SHARE, PART, TOLERANCE, Channel, alpha
from workers.drift.detectors import Counts, Numbers, expected, homogeneity_p
from workers.drift.evidence import factors
from workers.drift.levels import Level, level_of


@dataclass(frozen=True)
class Tally:
    """What was counted by category, for evidence that gathers over windows.

    Attributes:
        names: k categories; the same name is the same category in another window.
        factors: (j, k) what the window multiplies each bet on each category with.
        share: (k,) of the window's items, by how many more than expected; below 0 where fewer came.
    """

    names: tuple[str, ...]
    factors: Numbers
    share: Numbers


@dataclass(frozen=True)
class Verdict:
    """What a statistic says of a window.

    Attributes:
        channel: what was watched.
        scope: the part of it, as a trait of the texts; empty for the whole.
        p: its p-value.
        alarm: whether p is below what the budget of false alarms allows it, and enough of the window is affected.
        share: of the window's items that are affected; 0 without an alarm.
        scopes: parts of the channel that share its budget.
        tally: what was counted; None where evidence does not gather.
    """

    channel: Channel
    scope: str
    p: float
    alarm: bool
    share: float
    scopes: int = 1
    tally: Tally | None = None

    @property
    def name(self) -> str:
        """The channel, and its scope if it has several."""
        return f"{self.channel}: {self.scope}" if self.scope else self.channel.value

    @property
    def level(self) -> Level:
        """How severe it is by itself."""
        return level_of(self.share, content=self.alarm, mix=False)


def judge(
    channel: Channel,
    p: float,
    *,
    share: float,
    budget: float,
    scope: str = "",
    scopes: int = 1,
    tally: Tally | None = None,
) -> Verdict:
    """The verdict on a p-value and the share of the window that seems affected."""
    alarm = p < alpha(channel, budget=budget, scopes=scopes) and share >= LEAST_SHARE
    return Verdict(channel, scope, p, alarm, share if alarm else 0.0, scopes, tally)


def judge_mix(
    channel: Channel,
    counts: Counts,
    names: tuple[str, ...],
    *,
    budget: float,
    scope: str = "",
    scopes: int = 1,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """The verdict on a mix of k categories, every item in one. The share is what moved from one to another."""
    items = counts.window_size.sum()
    if not items:
        return Verdict(channel, scope, 1.0, False, 0.0, scopes)
    moved = float(np.maximum(counts.window.sum(axis=0) - expected(counts), 0).sum() / items)
    return judge(
        channel,
        homogeneity_p(counts, tolerance=tolerance),
        share=moved,
        budget=budget,
        scope=scope,
        scopes=scopes,
        tally=tally_of(channel, counts, names, both_ways=True, scopes=scopes),
    )


def tally_of(
    channel: Channel, counts: Counts, names: tuple[str, ...], *, both_ways: bool, scopes: int = 1
) -> Tally | None:
    """What was counted, by category; None of no items."""
    items = counts.window_size.sum()
    if not items:
        return None
    part = PART[channel] / scopes
    share = (counts.window.sum(axis=0) - expected(counts)) / items
    return Tally(names, factors(counts, part=part, both_ways=both_ways), share)
