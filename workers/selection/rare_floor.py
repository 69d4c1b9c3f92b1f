"""The floor of likely rare items in a batch: so many that whoever labels meets a rare class often enough to know it."""

from dataclasses import dataclass

import numpy as np

from shared.pool import Mask
from workers.selection.channels import known_rare
from workers.selection.strategies import YARDSTICKS
from workers.selection.view import View


@dataclass(frozen=True)
class RareFloor:
    """What a batch should hold of likely rare items.

    Attributes:
        likely: (n,) items that the model decides to be of a rare class.
        columns: of the rare classes; an item that is proposed for one of them is likely rare too.
        wanted: items wanted, no more than are eligible.
    """

    likely: Mask
    columns: frozenset[int]
    wanted: int

    def counts(self, position: int, wanted: int) -> bool:
        """Whether an item is likely rare, by the model or since a channel proposes it for the class `wanted`."""
        return bool(self.likely[position]) or wanted in self.columns


def rare_floor(view: View, *, places: int, strategy: str) -> RareFloor:
    """The floor of a batch of so many places; none before the first model, and none for yardsticks."""
    columns = frozenset(need.column for need in known_rare(view)) if view.probability is not None else frozenset[int]()
    likely: Mask = np.isin(view.predicted, sorted(columns))
    share = 0.0 if strategy in YARDSTICKS else view.config.selection.rare_floor
    return RareFloor(likely, columns, min(int(share * places + 1e-9), int(likely[view.pool.eligible].sum())))
