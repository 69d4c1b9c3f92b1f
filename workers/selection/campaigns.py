"""How a round serves campaigns: what of each comes into its batch. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.campaigns import CHANNELS, Running, mixed
from shared.pool import Pool


@dataclass(frozen=True)
class Served:
    """What a round asks for on behalf of campaigns.

    Attributes:
        items: `Pool.ids` by kind, the most wanted first; no id stands twice.
        audit: thresholds that the campaigns add to the audit sample.
        campaigns: the items by campaign, for those that have some.
    """

    items: dict[str, tuple[int, ...]]
    audit: dict[str, float]
    campaigns: dict[int, frozenset[int]]

    @property
    def places(self) -> int:
        """Items in all."""
        return sum(len(items) for items in self.items.values())


def most_places(batch_size: int, share: float) -> int:
    """Places for campaigns beside `batch_size` others, so that they are `share` of them all; one at least."""
    return max(1, int(batch_size * share / (1 - share) + 1e-9))


def serve(campaigns: Sequence[Running], pool: Pool, *, most: int) -> Served:
    """Choose what comes into the next batch: the oldest campaign first, of each its kinds in proportion.

    Args:
        campaigns: The running ones, the oldest first.
        pool: The pool; what may no longer be asked for is left out.
        most: Items in all.
    """
    askable = _askable(pool) if campaigns else {}
    taken: dict[int, str] = {}
    by_campaign: dict[int, frozenset[int]] = {}
    for campaign in campaigns:
        room = min(campaign.places, most - len(taken))
        there = [
            (channel, item) for channel, item in mixed(campaign.left) if item in askable[channel] and item not in taken
        ]
        chosen = {item: channel for channel, item in there[:room]}
        if chosen:
            by_campaign[campaign.id] = frozenset(chosen)
            taken |= chosen
    return Served(
        items={channel: tuple(item for item, kind in taken.items() if kind == channel) for channel in CHANNELS},
        audit=_largest(campaigns),
        campaigns=by_campaign,
    )


def _askable(pool: Pool) -> dict[str, frozenset[int]]:
    """`Pool.ids` that may be asked for, by kind."""
    new = frozenset(pool.ids[pool.eligible].tolist())
    again = frozenset(pool.ids[np.flatnonzero(pool.labeled & ~pool.queued)].tolist())
    return {"drift": new, "audit": new, "relabel": again}


def _largest(campaigns: Sequence[Running]) -> dict[str, float]:
    thresholds: dict[str, float] = {}
    for campaign in campaigns:
        for name, value in campaign.audit.items():
            thresholds[name] = max(value, thresholds.get(name, 0.0))
    return thresholds
