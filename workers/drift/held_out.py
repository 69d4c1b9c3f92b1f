"""What models say of items of the reference whose labels they did not see. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.arrays import dump_arrays, load_arrays
from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.training import model_storage
from workers.training.classifier import LinearModel
from workers.training.crossfit import cross_fit
from workers.training.tuning import train_on


@dataclass(frozen=True)
class HeldOut:
    """Items that have a label, or whose family has one, and what models without these say of them.

    Attributes:
        ids: (m,) int64, ascending.
        probability: (m, k) float32.
        decided: (m, k) bool.
        complete: whether labels were enough to train models without them; if not, there are no items here.
        alone: a model of the same labels that looks at vectors alone, where the one in use looks at more.
    """

    ids: Index
    probability: Floats
    decided: Mask
    complete: bool = True
    alone: LinearModel | None = None

    def put_into(self, ids: Index, probability: Floats, chosen: Mask) -> None:
        """Replace what the model itself says of items (n,), their probabilities (n, k) and decisions (n, k)."""
        known = np.flatnonzero(np.isin(ids, self.ids))
        place = np.searchsorted(self.ids, ids[known])
        probability[known], chosen[known] = self.probability[place], self.decided[place]


def hold_out(pool: Pool, ids: Index, config: ProjectConfig, model: LinearModel) -> HeldOut | None:
    """Predict the items (n,) of the pool that have a label in their family by models that were trained without it.

    The watch keeps vectors of its reference and no words, so these models look at vectors alone, and learn from labels
    alone, as texts of the reference may be among those without one. So does the one beside them: `model` itself, or one
    that is taught the same labels once more. None where they teach it nothing.

    Args:
        pool: The pool.
        ids: Row numbers.
        config: The project.
        model: The one in use.
    """
    plain = config.training.model_copy(update={"lexical": False, "unlabeled": False})
    seen = config.model_copy(update={"training": plain})
    fits = model.weights.shape[1] == pool.matrix.shape[1] and not model.tuning.recipe.taught
    beside = model if fits else train_on(pool, np.flatnonzero(pool.labeled), seen)
    if beside is None:
        return None
    alone = None if fits else beside
    taught = np.isin(pool.families, pool.families[pool.labeled]) & np.isin(pool.ids, ids)
    asked = np.flatnonzero(taught)
    found = cross_fit(pool, asked, seen, recipe=beside.tuning.recipe, seed=config.seed)
    if found is None:
        shape = 0, len(pool.classes)
        nothing = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        return HeldOut(pool.ids[:0], *nothing, complete=False, alone=alone)
    return HeldOut(pool.ids[asked], found.probability, found.decided, alone=alone)


def dump(held_out: HeldOut) -> bytes:
    """As safetensors with a JSON header."""
    arrays: dict[str, NDArray[Any]] = {
        "ids": held_out.ids,
        "probability": held_out.probability,
        "decided": held_out.decided,
    }
    if held_out.alone is not None:
        arrays["alone"] = np.frombuffer(model_storage.dump(held_out.alone, header={}), dtype=np.uint8)
    return dump_arrays(arrays, {"complete": held_out.complete})


def load(blob: bytes) -> HeldOut:
    """Read what `dump` wrote."""
    arrays, header = load_arrays(blob)
    alone = arrays.pop("alone", None)
    return HeldOut(
        **arrays,
        complete=header["complete"],
        alone=None if alone is None else model_storage.load(alone.tobytes()),
    )
