"""How a batch is filled: channels propose, the ledger says what fits."""

from dataclasses import dataclass

import numpy as np

from workers.selection import channels
from workers.selection.channels import Proposal, proposal
from workers.selection.ledger import Keep, Ledger
from workers.selection.strategies import Division
from workers.selection.view import View


@dataclass(frozen=True)
class Pick:
    """Why an item is in the batch: `wanted` is the column of the class that it was proposed for, -1 for none."""

    channel: str
    score: float | None
    cluster: int | None
    wanted: int


Picks = dict[int, Pick]
"""The batch so far, by position in the pool."""


def fill(view: View, ledger: Ledger, picks: Picks, division: Division) -> None:
    """Let the channels choose.

    Relaxed, in this order: the channels' shares, the floor of likely rare items, the sources' quotas; never a cap.
    """
    carried, last = 0, "coverage"
    for name, channel, slots in division:
        places = slots + carried
        taken = 0
        if places:
            taken = take(ledger, picks, name, channel(view, places), keep=Keep.ALL, limit=places)
        carried, last = places - taken, name
    if ledger.left and ledger.rare_owed:
        take(ledger, picks, "likely", channels.likely(view, ledger.left), keep=Keep.ALL)
    for keep in Keep:
        if ledger.left:
            take(ledger, picks, last, _remainder(view), keep=keep)


def take(
    ledger: Ledger, picks: Picks, channel: str, proposal: Proposal, *, keep: Keep, limit: int | None = None
) -> int:
    """Put proposed items into the batch, at most `limit`; returns how many fitted."""
    taken = 0
    for position, score, cluster, wanted in zip(
        proposal.index.tolist(),
        proposal.score.tolist(),
        proposal.cluster.tolist(),
        proposal.wanted.tolist(),
        strict=True,
    ):
        if not ledger.left or taken == limit:
            break
        if ledger.add(position, wanted=wanted, keep=keep):
            picks[position] = Pick(
                channel, None if np.isnan(score) else round(score, 6), cluster if cluster >= 0 else None, wanted
            )
            taken += 1
    return taken


def _remainder(view: View) -> Proposal:
    """All eligible items: the most uncertain first, or in random order before the first model."""
    if view.probability is None:
        return channels.chance(view, 0)
    eligible = view.pool.eligible
    score = channels.indecision(view, eligible)
    order = np.argsort(-score, kind="stable")
    return proposal(eligible[order], score[order])
