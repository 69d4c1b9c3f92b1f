"""What is known of the classes before items are labeled, and how surely. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from shared.pool import Floats, Index, Pool
from shared.project import ProjectConfig
from workers.selection.doubts import GUESS_FACTOR, Doubts, Kinds, doubt, sort_kinds
from workers.selection.rule_precision import RulePrecision, audit_tally, audited_shares, measure_rules
from workers.training.imbalance import AuditTally
from workers.training.metrics import Interval

# Draws behind the interval of a share that the model tells.
_DRAWS = 1_000


class Basis(StrEnum):
    """Where the share of a class in the pool is known from."""

    AUDIT = "audit"
    MODEL = "model"
    GUESS = "guess"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Knowledge:
    """What is known of a pool.

    Attributes:
        bases: by class, in the pool's order.
        shares: of the pool, by class; None where nothing is known.
        audit_items: labeled audit items.
        tally: the audit sample; None while it is too small to be asked.
        rules: what each rule is worth, in the pool's order.
        kinds: the items by which of the shifts in `doubts` holds for them.
        doubts: what the model's probabilities may be off by, by class; None for a class that no model has seen.
    """

    bases: tuple[Basis, ...]
    shares: tuple[Interval | None, ...]
    audit_items: int
    tally: AuditTally | None
    rules: tuple[RulePrecision, ...]
    kinds: Kinds
    doubts: tuple[Doubts | None, ...]


def know(
    pool: Pool,
    config: ProjectConfig,
    *,
    probability: Floats | None,
    held_out: Floats | None,
    thresholds: Mapping[str, float],
    guesses: Mapping[str, float],
) -> Knowledge:
    """Gather what the labels, the model and the user know.

    The audit sample comes first, once it has labels enough; then the model, of classes that it has seen; then the
    user's guess.

    Args:
        pool: The pool.
        config: The project.
        probability: (n, n_classes) float32 calibrated, of every item; None before the first model.
        held_out: (n_labeled, n_classes) float32 of the labeled items, by models that did not see them; None while there
            are too few.
        thresholds: The audit sample's, by stratum.
        guesses: Shares of the pool by class, as a person thinks.
    """
    tally = audit_tally(pool, thresholds)
    audited = audited_shares(tally)
    kinds = sort_kinds(pool, seed=config.seed)
    doubts = _doubts(pool, kinds, probability, held_out, guesses)
    if audited is None:
        known = [_share(one, guesses.get(name)) for one, name in zip(doubts, pool.classes, strict=True)]
    else:
        known = [(Basis.AUDIT, share) for share in audited]
    return Knowledge(
        bases=tuple(basis for basis, _ in known),
        shares=tuple(share for _, share in known),
        audit_items=tally.items,
        tally=None if audited is None else tally,
        rules=measure_rules(pool, config, probability=probability, thresholds=thresholds),
        kinds=kinds,
        doubts=doubts,
    )


def rare_classes(pool: Pool, config: ProjectConfig, knowledge: Knowledge) -> Index:
    """Columns of classes that are looked for: short of their target, or known to be under half of an even share."""
    half = 0.5 / len(pool.classes)
    return np.array(
        [
            column
            for column, (name, share) in enumerate(zip(pool.classes, knowledge.shares, strict=True))
            if pool.label_counts[column] < config.targets.get(name, 0) or (share is not None and share.value < half)
        ],
        dtype=np.int64,
    )


def best_rules(pool: Pool, config: ProjectConfig, knowledge: Knowledge, column: int) -> Index:
    """(n,) for each item the rule of a class that hits it and is known best, by the most labels; -1 for no rule."""
    found = np.full(len(pool), -1, dtype=np.int64)
    label = {rule.name: rule.label for rule in config.rules}
    of_class = [place for place, name in enumerate(pool.rule_names) if label[name] == pool.classes[column]]
    for place in sorted(of_class, key=lambda place: knowledge.rules[place].labels):
        found[pool.rule_hits[:, place]] = place
    return found


def _doubts(
    pool: Pool, kinds: Kinds, probability: Floats | None, held_out: Floats | None, guesses: Mapping[str, float]
) -> tuple[Doubts | None, ...]:
    if probability is None:
        return (None,) * len(pool.classes)
    return tuple(
        doubt(
            pool,
            kinds,
            column,
            probability[:, column],
            None if held_out is None else held_out[:, column],
            guess=guesses.get(name),
        )
        if pool.label_counts[column]
        else None
        for column, name in enumerate(pool.classes)
    )


def _share(doubts: Doubts | None, guess: float | None) -> tuple[Basis, Interval | None]:
    if doubts is not None:
        drawn = doubts.share(doubts.draw(_DRAWS, np.random.default_rng(0)))
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Basis.MODEL, Interval(float(drawn.mean()), float(low), float(high))
    if guess is not None:
        return Basis.GUESS, Interval(guess, guess / GUESS_FACTOR, min(1.0, guess * GUESS_FACTOR))
    return Basis.NOTHING, None
