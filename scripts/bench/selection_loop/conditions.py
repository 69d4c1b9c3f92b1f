"""The terms of a comparison: labels that are wrong now and then, and caps that bind."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from shared.pool import Mask, Pool
from shared.project import Caps
from workers.simulation.replay import Chosen

# A cap is twice an even share of the batch, so that any batch can be filled; with two or three classes that would cap
# nothing.
_EVEN_SHARES = 2.0
_MOST_OF_A_BATCH = 0.6


def with_noise(truth: Mask, share: float, rng: np.random.Generator) -> Mask:
    """Labels of which a share, drawn at random, are exchanged among each other.

    Classes stay as frequent as they are. Flipping labels evenly among the classes instead would give a class of 1 %
    nine wrong labels for each right one, at 10 % noise.

    Args:
        truth: (n, n_classes) bool.
        share: Of the items whose labels are exchanged; some of them get an equal label.
        rng: Draws.
    """
    drawn = np.flatnonzero(rng.random(len(truth)) < share)
    noisy = truth.copy()
    noisy[drawn] = truth[rng.permutation(drawn)]
    return noisy


def binding_caps(pool: Pool, batch: int) -> Caps:
    """Caps on every class and, where there are several, on every source, that bind and still let batches be full."""
    return Caps.model_validate(
        {
            "classes": dict.fromkeys(pool.classes, _cap(batch, len(pool.classes))),
            "sources": dict.fromkeys(pool.source_names, _cap(batch, len(pool.source_names)))
            if len(pool.source_names) > 1
            else {},
        }
    )


def over_caps(batches: Sequence[Sequence[Chosen]], *, pool: Pool, caps: Caps) -> int:
    """Items beyond a cap of their batch, counted from what the batches tell and not by the ledger that kept them."""
    source = {
        item_id: pool.source_names[code] for item_id, code in zip(pool.item_ids, pool.sources.tolist(), strict=True)
    }
    over = 0
    for batch in batches:
        by_class = Counter(chosen.reason.predicted for chosen in batch)
        by_source = Counter(source[chosen.item_id] for chosen in batch)
        over += sum(max(0, by_class[name] - cap.batch) for name, cap in caps.classes.items() if cap.batch is not None)
        over += sum(max(0, by_source[name] - cap.batch) for name, cap in caps.sources.items() if cap.batch is not None)
    return over


def _cap(batch: int, names: int) -> int:
    return math.ceil(batch * min(_MOST_OF_A_BATCH, _EVEN_SHARES / names))
