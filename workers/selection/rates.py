"""At which rates items are of a class: draws from what is known of these rates. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from shared.pool import Index, Pool
from workers.selection.allocation import stratum_beliefs
from workers.selection.doubts import GUESS_FACTOR, Z
from workers.selection.knowledge import Knowledge
from workers.training.imbalance import AuditTally

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Draws of the rates of one class; all arrays end in (n_draws,), and one place in each is one possible truth.

    Attributes:
        share: of the pool; None where nothing is known of it.
        strata: (n_strata, n_draws) in each stratum of the audit sample; None while that is too small.
        rules: by column, among what a rule hits; a rule of which nothing is known is missing.
        rest: among what no rule of the class hits; None where `share` is.
        shifts: (n_kinds, n_draws) what the model's log-odds are off by, see `Doubts`; None without a model.
    """

    share: Doubles | None
    strata: Doubles | None
    rules: Mapping[int, Doubles]
    rest: Doubles | None
    shifts: Doubles | None


def draw_rates(
    pool: Pool, knowledge: Knowledge, column: int, rules: Index, *, draws: int, rng: np.random.Generator
) -> Rates:
    """Draw the rates of a class.

    Args:
        pool: The pool.
        knowledge: What is known of it.
        column: Of the class.
        rules: (n,) the rule by which each item is judged, -1 for none, see `best_rules`.
        draws: How many.
        rng: Source of the draws.
    """
    doubts = knowledge.doubts[column]
    shifts = None if doubts is None else doubts.draw(draws, rng)
    strata = None if knowledge.tally is None else _strata(knowledge.tally, column, draws, rng)
    share = _share(knowledge, column, strata, shifts, draws, rng)
    hits = np.bincount(rules[pool.eligible] + 1, minlength=len(pool.rule_names) + 1)[1:]
    by_rule = _rules(knowledge, hits, None if share is None else share * len(pool.eligible), draws, rng)
    rest = None
    if share is not None:
        explained = sum((hits[place] * rate for place, rate in by_rule.items()), np.zeros(draws))
        others = max(1, len(pool.eligible) - int(hits.sum()))
        rest = np.clip((share * len(pool.eligible) - explained) / others, 0, 1)
    return Rates(share, strata, by_rule, rest, shifts)


def anything_up_to(most: Doubles, rng: np.random.Generator) -> Doubles:
    """Rates of which nothing is known but the highest possible, (n_draws,): Jeffreys' prior over the range."""
    found: Doubles = rng.beta(0.5, 0.5, len(most)) * np.clip(most, 0, 1)
    return found


def _strata(tally: AuditTally, column: int, draws: int, rng: np.random.Generator) -> Doubles:
    a, b = stratum_beliefs(tally, column)
    return rng.beta(a[:, None], b[:, None], (len(a), draws))


def _share(
    knowledge: Knowledge,
    column: int,
    strata: Doubles | None,
    shifts: Doubles | None,
    draws: int,
    rng: np.random.Generator,
) -> Doubles | None:
    known, doubts = knowledge.shares[column], knowledge.doubts[column]
    if known is None:
        return None
    if strata is not None and knowledge.tally is not None:
        weighted: Doubles = (knowledge.tally.sizes / knowledge.tally.sizes.sum()) @ strata
        return weighted
    if doubts is not None and shifts is not None:
        return doubts.share(shifts)
    return np.minimum(1.0, known.value * np.exp(rng.normal(0, log(GUESS_FACTOR) / Z, draws)))


def _rules(
    knowledge: Knowledge, hits: Index, positives: Doubles | None, draws: int, rng: np.random.Generator
) -> dict[int, Doubles]:
    """Precisions by rule. Those without a label share one, which is at most what others leave of `positives`."""
    wanted = np.flatnonzero(hits).tolist()
    measured = [place for place in wanted if knowledge.rules[place].labels]
    found = {
        place: rng.beta(one.right + 0.5, one.labels - one.right + 0.5, draws)
        for place, one in ((place, knowledge.rules[place]) for place in measured)
    }
    new = [place for place in wanted if place not in found]
    if new and positives is not None:
        left = positives - sum((hits[place] * rate for place, rate in found.items()), np.zeros(draws))
        common = anything_up_to(left / hits[new].sum(), rng)
        found |= dict.fromkeys(new, common)
    return found
