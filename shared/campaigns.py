"""What a campaign is, wherever it is spoken of: why it came, how far it is, and what it still wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

CHANNELS = ("drift", "relabel", "audit")
"""The kinds of a campaign's items, which are the channels by which they are chosen: new items to label, labeled ones to
label again, and a draw by chance."""


class Origin(StrEnum):
    """What brought a campaign about."""

    DRIFT = "drift"
    """What comes in is unlike what came before."""
    PERFORMANCE = "performance"
    """The model does worse on fresh audit labels than before."""
    DOUBT = "doubt"
    """Labels may no longer hold, or never did."""
    PERSON = "person"


class State(StrEnum):
    """How far a campaign is."""

    WAITING = "waiting"
    """For a person's word."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """By a person, before it was done."""


LIVE = (State.WAITING, State.RUNNING)


def mixed(items: Mapping[str, Sequence[int]]) -> list[tuple[str, int]]:
    """All (kind, item) in such an order that each beginning holds the kinds in the same proportion."""
    placed = [
        ((place + 0.5) / len(of_kind), kind, item)
        for kind, of_kind in items.items()
        for place, item in enumerate(of_kind)
    ]
    return [(kind, item) for _, kind, item in sorted(placed, key=lambda one: one[0])]


@dataclass(frozen=True)
class Region:
    """The part of the pool that a campaign is about.

    Attributes:
        affected: `Item.id` of the new items that are unlike what came before.
        near: cosine from which a labeled item speaks for another one; None where nobody said.
        audit: thresholds that the region's draw by chance adds to the audit sample, see `workers.training.windows`.
    """

    affected: Sequence[int] = ()
    near: float | None = None
    audit: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A campaign that rounds serve.

    Attributes:
        id: its row number.
        left: `Item.id` by kind of what no batch has held yet, the most telling first.
        places: items that its budget still allows.
        audit: thresholds that it adds to the audit sample.
        new: whether no batch has held anything of it yet.
    """

    id: int
    left: Mapping[str, Sequence[int]]
    places: int
    audit: Mapping[str, float]
    new: bool
