"""The audit sample: a stratified random sample of the pool, the only source of reported metrics.

Every item has a permanent random number, its draw (Ohlsson, "Coordination of samples using permanent random numbers",
1995). An item belongs to the sample when its draw lies below its threshold, which is thereby the probability with which
it entered. Thresholds only grow, whatever else was labeled in between, and depend on draws only as a rule of when to
stop: at so many items, or before one that a cap refuses. An item that some other channel had labeled already joins the
sample at no cost.

At first strata are source by "hit by a seeding rule or not", both known before any model: half of the draws go to items
that a rule hits, so that rare classes are seen. What a description hits moves with the pool, and an item that changes
its stratum would leave the sample or enter it by another threshold, so those hits make no stratum. Once there are
labels enough, strata are bands of likelihood (see `workers.training.bands`). Each division of the pool is a phase; the
thresholds of earlier phases stay as they were, and an item's threshold is the largest of all phases. So it is with a
stretch of new items of which a campaign wants to know more (see `workers.training.windows`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Mask, Pool
from workers.training import bands, windows

# Share of the draws that goes to strata hit by a seeding rule, where there are any.
_RULE_SHARE = 0.5
# Of a band that costs nothing more to know.
_FREE = 0.5
# Fewer answers of a stratum can't stand for it.
_FEWEST_ANSWERS = 2


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


@dataclass(frozen=True)
class Weighed:
    """Answered audit items as what they stand for.

    Attributes:
        weights: (m,) float64, items of the pool that each stands for, one a duplicate group.
        strata: (m,) int64, items with equal numbers were drawn from one stratum.
    """

    weights: NDArray[np.float64]
    strata: Index


def stratify(pool: Pool) -> tuple[tuple[str, ...], Index]:
    """Names of the strata by source and rule, and the stratum (n,) of each item."""
    hit = pool.rule_hits[:, pool.rule_settled].any(axis=1)
    names = tuple(f"{source}|{kind}" for source in pool.source_names for kind in ("other", "rule"))
    return names, pool.sources * 2 + hit


def extend(pool: Pool, thresholds: Mapping[str, float], *, draws: int) -> AuditSample:
    """Let `draws` more items into the sample.

    By source and rule, labeled items count among them; by bands they don't and come on top, since they cost nothing.

    Args:
        pool: The pool; the sample is drawn among one item a duplicate group.
        thresholds: What an earlier call returned; empty at first.
        draws: How many items more.
    """
    raise_thresholds = _extend_bands if bands.phases(pool.bands) else _extend_strata
    return measure(pool, {**_known(pool, thresholds), **raise_thresholds(pool, thresholds, draws)})


def measure(pool: Pool, thresholds: Mapping[str, float]) -> AuditSample:
    """The sample that thresholds stand for, with each item's inclusion probability."""
    names, stratum = stratify(pool)
    by_stratum = np.array([float(thresholds.get(name, 0.0)) for name in names])
    inclusion = np.maximum(by_stratum[stratum], bands.by_item(thresholds, pool.bands))
    inclusion = np.maximum(inclusion, windows.by_item(thresholds, pool.ids, pool.sources, pool.source_names))
    standing = np.zeros(len(pool), dtype=bool)
    standing[pool.representatives] = True
    return AuditSample(dict(thresholds), standing & (pool.draws < inclusion), inclusion)


def no_further(
    pool: Pool, earlier: Mapping[str, float], extended: Mapping[str, float], refused: Mapping[int, float]
) -> AuditSample:
    """The sample with thresholds (`extended`) taken back to where items were refused.

    Args:
        pool: The pool.
        earlier: Thresholds before, below which none goes.
        extended: What `extend` made of them.
        refused: By stratum in force (see `strata`), the least draw of an item that can't be asked about.
    """
    thresholds, newest, names = dict(extended), bands.phases(pool.bands), stratify(pool)[0]
    for stratum, draw in refused.items():
        if newest and not stratum:
            continue  # items that are in no band yet, which no threshold was raised for
        name = bands.key(newest, stratum - 1) if newest else names[stratum]
        thresholds[name] = max(earlier.get(name, 0.0), min(thresholds.get(name, 0.0), draw))
    return measure(pool, thresholds)


def answers(pool: Pool, thresholds: Mapping[str, float]) -> Index:
    """Positions of the labeled items that answer for members of the sample, one for each, in ascending order.

    Mostly that is the member itself. Where another item of its duplicate group has a label, nobody is asked about the
    member any more, and that label is its answer: without it, what people import twice would be missing in the sample.
    """
    told = pool.told
    return told[measure(pool, thresholds).members[pool.representative_of(told)]]


def sealed(pool: Pool, thresholds: Mapping[str, float]) -> Mask:
    """(n,) the items of the sample and their families, whose labels must not steer what else is labeled.

    They may teach the model that is reported on, since each is predicted by one that did not see it. But were they to
    choose as well, labels would crowd around them, and models that never saw them would know their surroundings better
    than those of other items.
    """
    known: Mask = np.isin(pool.families, pool.families[measure(pool, thresholds).members])
    return known


def weigh(pool: Pool, thresholds: Mapping[str, float], rows: Index) -> Weighed:
    """How many items of the pool each answered audit item stands for.

    One over its inclusion probability (Horvitz and Thompson 1952), scaled so that the answers of a stratum stand for
    all of it: those that are still out count as missing at random. A stratum with one answer joins the largest one, and
    what no answer stands for, such as items that came after the last round, is taken to be like all the others.

    Args:
        pool: The pool.
        thresholds: The sample's.
        rows: (m,) positions of labeled items, see `answers`; each was drawn as what stands for its duplicate group.
    """
    cells, drawn = strata(pool), pool.representative_of(rows)
    inclusion = measure(pool, thresholds).inclusion[drawn]
    return post_stratify(inclusion, cells[drawn], np.bincount(cells[pool.representatives]))


def post_stratify(inclusion: NDArray[np.float64], cells: Index, sizes: Index) -> Weighed:
    """As `weigh`, from the inclusion probabilities (m,) and cells (m,) of answered items, and the size of each cell."""
    answers = np.bincount(cells, minlength=len(sizes))
    answered = answers > 0
    largest = int((sizes * (answers >= _FEWEST_ANSWERS)).argmax())
    joined = np.where(answered & (answers < _FEWEST_ANSWERS), largest, np.arange(len(sizes)))
    strata, raw = joined[cells], 1 / inclusion
    stood = np.bincount(strata, weights=raw, minlength=len(sizes))
    whole = np.bincount(joined[answered], weights=sizes[answered], minlength=len(sizes))
    spread = sizes.sum() / max(1, sizes[answered].sum())
    return Weighed(raw * whole[strata] / stood[strata] * spread, strata)


def strata(pool: Pool) -> Index:
    """(n,) the strata that are in force: the newest bands, or source by rule before there are any."""
    newest = bands.phases(pool.bands)
    return bands.band(pool.bands, newest) + 1 if newest else stratify(pool)[1]


def _known(pool: Pool, thresholds: Mapping[str, float]) -> dict[str, float]:
    """All thresholds so far, 0 for a stratum that is new."""
    return {**dict.fromkeys(stratify(pool)[0], 0.0), **{name: float(value) for name, value in thresholds.items()}}


def _extend_strata(pool: Pool, thresholds: Mapping[str, float], draws: int) -> dict[str, float]:
    names, stratum = stratify(pool)
    standing = pool.representatives
    waiting = standing[~measure(pool, thresholds).members[standing]]
    outside = [np.sort(pool.draws[waiting[stratum[waiting] == code]]) for code in range(len(names))]
    raised = {}
    for code, share in enumerate(_allot(np.array([len(draw) for draw in outside]), draws)):
        if share:
            raised[names[code]] = _between(outside[code], int(share))
    return raised


def _extend_bands(pool: Pool, thresholds: Mapping[str, float], draws: int) -> dict[str, float]:
    """As many draws for each band, fewer where most of it is labeled: for an item that costs c the best number of draws
    goes with 1 / sqrt(c) (Cochran, "Sampling Techniques", 1977, section 5.5), so what is spent on them with sqrt(c).
    Where all is labeled, half of it joins."""
    phase = bands.phases(pool.bands)
    standing = pool.representatives
    outside = standing[~measure(pool, thresholds).members[standing]]
    digits, asked = bands.band(pool.bands, phase), np.isin(np.arange(len(pool)), pool.eligible)
    waiting = [outside[digits[outside] == number] for number in range(bands.COUNT)]
    costs = np.array([asked[part].mean() if len(part) else 0.0 for part in waiting])
    room = np.array([int(asked[part].sum()) for part in waiting])
    raised = {}
    for number, share in enumerate(_within(np.sqrt(costs), room, draws).tolist()):
        part = waiting[number]
        if share:
            raised[bands.key(phase, number)] = _just_above(np.sort(pool.draws[part[asked[part]]]), share)
        elif draws and len(part) and not room[number]:
            raised[bands.key(phase, number)] = max(_FREE, thresholds.get(bands.key(phase, number), 0.0))
    return raised


def _just_above(draws: NDArray[np.float64], share: int) -> float:
    """A threshold that lets the first `share` of ascending draws in and is no larger than that takes, since others than
    these have draws too: of those a larger one would let in more than their part."""
    return float(np.nextafter(draws[share - 1], 1.0))


def _between(draws: NDArray[np.float64], share: int) -> float:
    """A threshold that lets the first `share` of ascending draws in."""
    return 1.0 if share == len(draws) else float(draws[share - 1] + draws[share]) / 2


def _within(wishes: NDArray[np.float64], room: Index, total: int) -> Index:
    """Split `total` in proportion to `wishes`, at least one to each that has room as far as it goes; no part exceeds
    its room, and what it leaves goes to the others."""
    parts = np.zeros(len(room), dtype=np.int64)
    parts[np.flatnonzero(room)[:total]] = 1
    while total > parts.sum() and (open_ := (parts < room) & (wishes > 0)).any():
        more = _largest_remainder(wishes * open_, total - int(parts.sum()))
        parts = np.minimum(parts + more, room)
    return parts


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
    return _largest_remainder(sizes.astype(np.float64), total) if total else np.zeros(len(sizes), dtype=np.int64)


def _largest_remainder(weights: NDArray[np.float64], total: int) -> Index:
    exact = weights * total / weights.sum()
    parts: Index = np.floor(exact).astype(np.int64)
    parts[np.argsort(parts - exact, kind="stable")[: total - int(parts.sum())]] += 1
    return parts
