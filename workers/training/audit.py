"""The audit sample: a stratified random sample of the pool, the only source of reported metrics.

Every item has a permanent random number, its draw (Ohlsson, "Coordination of samples using permanent random numbers",
1995). An item belongs to the sample when its draw lies below the threshold of its stratum. Thresholds only grow, and
never depend on a model, so within a stratum the sample is a simple random one, whatever else was labeled in between;
an item that some other channel had labeled already joins it at no cost.

Strata are source by "hit by a seeding rule or not", both known before any model: half of the draws go to items that a
rule hits, so that rare classes are seen. What a description hits moves with the pool, and an item that changes its
stratum would leave the sample or enter it by another threshold, so those hits make no stratum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask, Pool

# Share of the draws that goes to strata hit by a seeding rule, where there are any.
_RULE_SHARE = 0.5


@dataclass(frozen=True)
class AuditSample:
    """Thresholds and what follows from them for one pool.

    Attributes:
        thresholds: by stratum name; grow from round to round.
        members: (n,) bool, items in the sample; one a duplicate group at most.
        inclusion: (n,) float64, probability with which each item entered; positive in every stratum drawn from.
    """

    thresholds: dict[str, float]
    members: Mask
    inclusion: NDArray[np.float64]


def stratify(pool: Pool) -> tuple[tuple[str, ...], Index]:
    """Names of the strata, and the stratum (n,) of each item."""
    hit = pool.rule_hits[:, pool.rule_settled].any(axis=1)
    names = tuple(f"{source}|{kind}" for source in pool.source_names for kind in ("other", "rule"))
    return names, pool.sources * 2 + hit


def extend(pool: Pool, thresholds: Mapping[str, float], *, draws: int) -> AuditSample:
    """Let `draws` more items into the sample, labeled ones included.

    Args:
        pool: The pool; the sample is drawn among one item a duplicate group.
        thresholds: What an earlier call returned; empty at first.
        draws: How many items more.
    """
    names, stratum = stratify(pool)
    standing = pool.representatives
    raised = {name: float(thresholds.get(name, 0.0)) for name in names}
    outside = [
        np.sort(pool.draws[standing[(stratum[standing] == code) & (pool.draws[standing] >= raised[name])]])
        for code, name in enumerate(names)
    ]
    for code, share in enumerate(_allot(np.array([len(draw) for draw in outside]), draws)):
        if share:
            left = outside[code]
            raised[names[code]] = 1.0 if share == len(left) else float(left[share - 1] + left[share]) / 2
    return measure(pool, raised)


def measure(pool: Pool, thresholds: Mapping[str, float]) -> AuditSample:
    """The sample that thresholds stand for, with each item's inclusion probability: the share of its stratum inside."""
    names, stratum = stratify(pool)
    threshold = np.array([float(thresholds.get(name, 0.0)) for name in names])
    standing = np.zeros(len(pool), dtype=bool)
    standing[pool.representatives] = True
    members = standing & (pool.draws < threshold[stratum])
    sizes = np.bincount(stratum[standing], minlength=len(names))
    inside = np.bincount(stratum[members], minlength=len(names))
    rate = np.divide(inside, sizes, out=np.zeros(len(names)), where=sizes > 0)
    return AuditSample(dict(zip(names, threshold.tolist(), strict=True)), members, rate[stratum])


def _allot(sizes: Index, draws: int) -> Index:
    """Split `draws` over strata of `sizes` items: half to rule strata, each half in proportion to size."""
    ruled = np.arange(len(sizes)) % 2 == 1
    draws = min(draws, int(sizes.sum()))
    to_rules = min(round(draws * _RULE_SHARE), int(sizes[ruled].sum()))
    to_rules = max(to_rules, draws - int(sizes[~ruled].sum()))
    parts: Index = _proportional(sizes * ruled, to_rules) + _proportional(sizes * ~ruled, draws - to_rules)
    return parts


def _proportional(sizes: Index, total: int) -> Index:
    """Largest-remainder split of `total` in proportion to `sizes`; no part exceeds its size."""
    if not total:
        return np.zeros(len(sizes), dtype=np.int64)
    exact = sizes * total / sizes.sum()
    parts: Index = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(parts - exact, kind="stable")
    parts[by_remainder[: total - int(parts.sum())]] += 1
    return parts
