"""Which items of a batch several annotators answer, so that their agreement can be told. Pure."""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from shared.pool import Mask


def overlap_items(draws: NDArray[np.float64], audited: Mask, *, share: float) -> Mask:
    """Choose the overlap items of a batch: chance chooses, not a model, so agreement on them is that on the batch.

    Audit items come first, since what is reported rests on their labels; then the smallest permanent random numbers.

    Args:
        draws: (n,) permanent random numbers of the batch's items.
        audited: (n,) the audit items.
        share: How much of the batch, in [0, 1]; rounded up to a whole item.

    Returns:
        (n,) whether each is one.
    """
    count = ceil(share * len(draws) - 1e-9)
    chosen = np.zeros(len(draws), dtype=bool)
    chosen[np.lexsort((draws, ~audited))[:count]] = True
    return chosen
