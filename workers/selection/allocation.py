"""How the places of a wave are kept for sources. Pure.

Power allocation: M. D. Bankier, "Power Allocations: Determining Sample Sizes for Subnational Areas", The American
Statistician 42 (1988), with power 1/2. It minimises the sum over sources of N_h times the squared relative error with
which a class's share is known there, which gives

    n_h  in proportion to  N_h^(1/2) * ((1 - p_h) / p_h)^(1/2)

for N_h items of which a share of p_h is of the class. Between an equal number for each source (power 0), which wastes
places on tiny ones, and Neyman's allocation (power 1), which for a rare class leaves out small sources and those where
it is scarce, both are seen here: scarce sources by the square root of their size, and sources where the class is scarce
by the second factor. As long as the shares are not measured by source, the second factor is the same for all: the
square-root allocation. For several classes the mean of (1 - p_h) / p_h is taken, which minimises the sum of their
errors.
"""

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index
from workers.training.imbalance import AuditTally

Shares = NDArray[np.float64]

# A share below can't be told from none by any number of labels that people give.
_SMALLEST = 1e-4


def power_allocation(sizes: Index, shares: Shares, *, places: int, room: Index) -> Index:
    """Divide places among sources.

    Args:
        sizes: (n_sources,) items of each.
        shares: (n_sources, n_classes) share of each rare class in each; no column while nothing is known.
        places: To be divided.
        room: (n_sources,) the most that each may get.

    Returns:
        (n_sources,) places; fewer than `places` in all only where `room` is less.
    """
    kept = np.clip(shares, _SMALLEST, 1 - _SMALLEST)
    scarcity = ((1 - kept) / kept).mean(axis=1) if shares.shape[1] else np.ones(len(sizes))
    weights = np.sqrt(sizes * scarcity)
    allotted = np.zeros(len(sizes), dtype=np.int64)
    while places > allotted.sum() and (open_ := (allotted < room) & (weights > 0)).any():
        part = _largest_remainder(weights * open_, places - int(allotted.sum()))
        allotted = np.minimum(allotted + part, room)
    return allotted


def stratum_beliefs(tally: AuditTally, column: int) -> tuple[Shares, Shares]:
    """What the audit sample says of a class's share in each of its strata, as Beta distributions.

    A stratum in which few audit items are labeled borrows from its like, those hit by a rule in other sources or those
    not hit: it counts as though one more item of the class had been seen there, at the rate of them all.

    Args:
        tally: The audit sample, its strata in the order of `workers.training.audit.stratify`.
        column: Of the class.

    Returns:
        (n_strata,) the two parameters of each.
    """
    hits, answered = tally.positives[:, column].astype(np.float64), tally.answered.astype(np.float64)
    alike = np.arange(len(hits)) % 2
    together = (np.bincount(alike, hits, 2) + 0.5) / (np.bincount(alike, answered, 2) + 1)
    return hits + 1, answered - hits + 1 / together[alike] - 1


def source_shares(tally: AuditTally, columns: Index) -> Shares:
    """(n_sources, len(columns)) share of classes in each source, by the audit sample."""
    sizes = tally.sizes.reshape(-1, 2).astype(np.float64)
    part = sizes / np.maximum(sizes.sum(axis=1, keepdims=True), 1)
    found = np.zeros((len(sizes), len(columns)))
    for place, column in enumerate(columns.tolist()):
        a, b = stratum_beliefs(tally, column)
        found[:, place] = (part * (a / (a + b)).reshape(-1, 2)).sum(axis=1)
    return found


def _largest_remainder(weights: Shares, places: int) -> Index:
    exact = weights * places / weights.sum()
    parts: Index = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: places - int(parts.sum())]] += 1
    return parts
