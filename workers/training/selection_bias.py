"""Weights that lean a sample chosen by models back towards the pool.

A model asks for what it is unsure of or hopes for, so labeled items crowd some regions of the pool and leave others
thin. A linear classifier can't fit every region, and would fit the crowded ones. How crowded a place is follows from
a classifier that tells labeled items from the pool: its odds estimate the ratio of the two densities (Bickel,
Brückner and Scheffer, "Discriminative Learning Under Covariate Shift", 2009, section 4). Full importance weights are
too noisy for a few hundred labels, so their square root is taken (Shimodaira, "Improving predictive inference under
covariate shift by weighting the log-likelihood function", 2000, section 5, calls this exponent lambda).
"""

from functools import lru_cache

import numpy as np
from scipy.special import expit

from shared.halves import widen
from shared.pool import Floats, Index, Pool
from workers.training import solver
from workers.training.known import Known
from workers.training.solver import Axes

# Of 0, 1/2 and 1 the best or even with it on the sets with a class of 1 %, and no loss where a sample is not bent.
_EXPONENT = 0.5
_LIMITS = 0.1, 10.0
# Items that stand for the whole pool, here and in the search for decisions.
_POOL_SAMPLE = 4_000
# A strong penalty: the density ratio is wanted over broad regions, not for single items.
_STRENGTH = 0.3


def selection_weights(pool: Pool, rows: Index, *, standing: Axes) -> Floats:
    """How much each labeled item counts in training, 1 on average.

    Args:
        pool: The pool.
        rows: (n,) positions of labeled items, n >= 1.
        standing: The items that stand for the pool, as `standing_on_axes` gives them.

    Returns:
        (n,) float32 in [0.1, 10] before they are scaled to a mean of 1; larger in regions where few items are labeled.
    """
    labeled = pool.vectors(rows) @ standing.axes
    turned = solver.spread_on(np.concatenate([labeled, standing.coordinates]), standing.axes)
    is_labeled = np.arange(len(turned.coordinates)) < len(rows)
    balanced = np.where(is_labeled, 0.5 / len(rows), 0.5 / len(standing.coordinates)) * len(is_labeled)
    found = solver.minimise(
        turned,
        np.arange(len(is_labeled)),
        is_labeled[:, None],
        balanced[:, None].astype(np.float32),
        strength=_STRENGTH,
        exclusive=False,
    )
    crowded = expit(solver.scores(turned, np.arange(len(rows)), found)[:, 0].astype(np.float64))
    weights = np.clip(((1 - crowded) / crowded) ** _EXPONENT, *_LIMITS)
    balanced_weights: Floats = (weights / weights.mean()).astype(np.float32)
    return balanced_weights


def standing_on_axes(pool: Pool, *, seed: int, lexical: bool = False) -> Axes:
    """The items that stand for the pool on their principal axes, which are nearly the pool's.

    Kept from round to round, as long as these have the same vectors: finding axes takes longer than a fit on them.

    Args:
        pool: The pool.
        seed: Of which items these are.
        lexical: Whether their vectors have lexical features behind them, if the pool has some.
    """
    return on_own_axes(standing(pool, seed=seed, lexical=lexical))


def standing(pool: Pool, *, seed: int, lexical: bool) -> Known:
    """The vectors of the items that stand for the pool, as `standing_on_axes` takes them."""
    return stored(pool, standing_for(len(pool), seed=seed), lexical=lexical)


def stored(pool: Pool, index: Index, *, lexical: bool) -> Known:
    """The vectors of items (n,) as they are stored, with their lexical features if these are asked for."""
    matrix = pool.features if lexical else pool.matrix
    return Known.of(matrix[pool.rows[index]])


@lru_cache(maxsize=8)
def on_own_axes(known: Known) -> Axes:
    """Vectors on their principal axes; kept."""
    found = solver.principal_axes(widen(known.vectors))
    for array in (found.coordinates, found.axes, found.spread):
        array.flags.writeable = False
    return found


def standing_for(count: int, *, seed: int) -> Index:
    """Positions of random items that stand for a pool of so many.

    As items come in, some of these give way to new ones, and all others stay.
    """
    return _in_random_order(count, seed)[:_POOL_SAMPLE]


def taught_of(count: int, *, seed: int) -> Index:
    """Positions of as many random items that a pupil may be taught with: others than those that stand for the pool, of
    which decisions are found, or in a small pool the last half of all."""
    most = _in_random_order(count, seed)
    return most[max(min(_POOL_SAMPLE, count // 2), len(most) - _POOL_SAMPLE) :]


@lru_cache(maxsize=4)
def _in_random_order(count: int, seed: int) -> Index:
    """The first positions of a pool of so many in an order in which a new item has its place among those before."""
    keys, most = np.random.default_rng(seed).random(count), min(count, 2 * _POOL_SAMPLE)
    first = np.argpartition(keys, most - 1)[:most] if most else np.empty(0, dtype=np.int64)
    ordered: Index = first[np.argsort(keys[first], kind="stable")]
    ordered.flags.writeable = False
    return ordered
