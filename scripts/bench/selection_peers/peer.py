"""What a peer is: one function from the pool and its model to the wanted items."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig
from workers.selection import channels
from workers.selection.channels import Proposal
from workers.selection.strategies import Division, Strategy
from workers.selection.view import View

# Under caps some of the wanted items are refused: so many times as many are proposed.
_PROPOSED_UNDER_CAPS = 3


class Seen(Protocol):
    """What a peer may look at; a round's view holds it."""

    @property
    def pool(self) -> Pool:
        """Items, their vectors, and the labels so far."""

    @property
    def config(self) -> ProjectConfig:
        """The project."""

    @property
    def probability(self) -> Floats | None:
        """(n, n_classes) float32, of every item; None before the first model."""

    @property
    def scores(self) -> Floats | None:
        """(n, n_classes) float32, what the model decides by: the highest, or all of 0 and more."""

    @property
    def rng(self) -> np.random.Generator:
        """The round's source of chance."""


Choose = Callable[[Seen, int], Index]
"""Positions in the pool of so many eligible items (fewer when there are fewer), distinct, the most wanted first."""


@dataclass(frozen=True)
class Peer:
    """A strategy from the literature; its file names the paper.

    Attributes:
        choose: How it chooses.
        needs_model: Whether it starts from labels; such a one begins with random items, as its paper does.
    """

    choose: Choose
    needs_model: bool = True


def probabilities(view: Seen) -> Floats:
    """(n, n_classes) float32, of every item of the pool."""
    if view.probability is None:
        raise ValueError("this strategy needs a model")
    return view.probability


def as_strategy(peer: Peer) -> Strategy:
    """The peer as a round of the product calls it: one channel that fills the batch."""

    def channel(view: View, slots: int) -> Proposal:
        caps = view.config.caps
        wanted = slots * _PROPOSED_UNDER_CAPS if caps.classes or caps.sources else slots
        index = peer.choose(view, min(wanted, len(view.pool.eligible)))
        return channels.proposal(index)

    def strategy(view: View, places: int) -> Division:
        waits = peer.needs_model and view.probability is None
        return [("boundary", channels.chance if waits else channel, places)]

    return strategy
