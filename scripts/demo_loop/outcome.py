"""What the labels spent have found, against what labeling at random finds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.tickets.generator import FRAUD, NEW_FRAUD, Ticket


@dataclass(frozen=True)
class Found:
    """How many of one sort of ticket are labeled.

    Attributes:
        labeled: Those that are labeled.
        there: Those that there are.
    """

    labeled: int
    there: int

    @property
    def share(self) -> float:
        """Of those that there are; 0 when there are none."""
        return self.labeled / self.there if self.there else 0.0

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.labeled} of {self.there} ({self.share:.0%})"


@dataclass(frozen=True)
class Tally:
    """What was found of all fraud and of its new kind."""

    fraud: Found
    new_kind: Found


@dataclass(frozen=True)
class Outcome:
    """The demo's result.

    Attributes:
        labels: Items labeled.
        pool: Items that there are.
        chosen: Found with the batches of Quiet Corner.
        drawn: Found by one random draw of as many items.
        campaigns: Drift campaigns that were opened.
    """

    labels: int
    pool: int
    chosen: Tally
    drawn: Tally
    campaigns: int

    @property
    def expected_share(self) -> float:
        """Share of any sort of ticket that random labeling finds on average."""
        return self.labels / self.pool


def tally(pool: Sequence[Ticket], labeled: Collection[str]) -> Tally:
    """Count what is labeled, by what the tickets truly are (annotators slip)."""
    fraud = [ticket for ticket in pool if ticket.label == FRAUD]
    new_kind = [ticket for ticket in fraud if ticket.kind == NEW_FRAUD]
    return Tally(_found(fraud, labeled), _found(new_kind, labeled))


def compare(pool: Sequence[Ticket], labeled: Collection[str], *, campaigns: int, seed: int) -> Outcome:
    """Put what is labeled beside one random draw of the same size from the same pool."""
    rng = np.random.default_rng(seed)
    drawn = {pool[place].id for place in rng.choice(len(pool), size=len(labeled), replace=False).tolist()}
    return Outcome(
        labels=len(labeled),
        pool=len(pool),
        chosen=tally(pool, labeled),
        drawn=tally(pool, drawn),
        campaigns=campaigns,
    )


def _found(some: Sequence[Ticket], labeled: Collection[str]) -> Found:
    return Found(sum(ticket.id in labeled for ticket in some), len(some))
