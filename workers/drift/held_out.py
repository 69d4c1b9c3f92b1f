"""What models say of items of the reference whose labels they did not see. Pure."""

from dataclasses import dataclass

import numpy as np

from shared.arrays import dump_arrays, load_arrays
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training.crossfit import cross_fit


@dataclass(frozen=True)
class HeldOut:
    """Items that have a label, or whose family has one, and what models without these say of them.

    Attributes:
        ids: (m,) int64, ascending.
        probability: (m, k) float32.
        decided: (m, k) bool.
        complete: whether labels were enough to train models without them; if not, there are no items here.
    """

    ids: Index
    probability: Floats
    decided: Mask
    complete: bool = True

    def put_into(self, ids: Index, probability: Floats, chosen: Mask) -> None:
        """Replace what the model itself says of items (n,), their probabilities (n, k) and decisions (n, k)."""
        known = np.flatnonzero(np.isin(ids, self.ids))
        place = np.searchsorted(self.ids, ids[known])
        probability[known], chosen[known] = self.probability[place], self.decided[place]


def hold_out(pool: Pool, ids: Index, config: ProjectConfig, *, strength: float) -> HeldOut:
    """Predict the items (n,) of the pool that have a label in their family by models that were trained without it.

    Args:
        pool: The pool.
        ids: Row numbers.
        config: The project.
        strength: Of the model that stands beside them.
    """
    taught = np.isin(pool.families, pool.families[pool.labeled]) & np.isin(pool.ids, ids)
    asked = np.flatnonzero(taught)
    found = cross_fit(pool, asked, config, strength=strength, seed=config.seed)
    if found is None:
        shape = 0, len(pool.classes)
        return HeldOut(pool.ids[:0], np.zeros(shape, np.float32), np.zeros(shape, np.bool_), complete=False)
    return HeldOut(pool.ids[asked], found.probability, found.decided)


def dump(held_out: HeldOut) -> bytes:
    """As safetensors with a JSON header."""
    return dump_arrays(
        {"ids": held_out.ids, "probability": held_out.probability, "decided": held_out.decided},
        {"complete": held_out.complete},
    )


def load(blob: bytes) -> HeldOut:
    """Read what `dump` wrote."""
    arrays, header = load_arrays(blob)
    return HeldOut(**arrays, complete=header["complete"])
