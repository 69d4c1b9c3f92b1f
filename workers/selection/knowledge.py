"""What is known of the classes before items are labeled, and how surely. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import exp

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.rule_precision import RulePrecision, audit_tally, audited_shares, class_priors, measure_rules
from workers.training.imbalance import AuditTally
from workers.training.metrics import Interval

# A person's guess of a share is taken to be right within this factor, with 95 %.
GUESS_FACTOR = 2.0
# Standard deviation, in log-odds, of what calibration may be off by where it saw no item of a class; each item that
# it saw makes it surer, as in the normal prior of `workers.training.calibration`.
_SHIFT_SD = 1.0
Z = 1.959964  # of the normal distribution, for 95 %


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
        learned: (n_classes,) bool, classes of which there is a model that has seen them.
        shift_sd: (n_classes,) what the model's log-odds may be off by, as a standard deviation.
    """

    bases: tuple[Basis, ...]
    shares: tuple[Interval | None, ...]
    audit_items: int
    tally: AuditTally | None
    rules: tuple[RulePrecision, ...]
    learned: Mask
    shift_sd: Floats


def know(
    pool: Pool,
    config: ProjectConfig,
    *,
    probability: Floats | None,
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
        thresholds: The audit sample's, by stratum.
        guesses: Shares of the pool by class, as a person thinks.
    """
    learned = (pool.label_counts > 0) & (probability is not None)
    shift_sd = (1 / np.sqrt(1 / _SHIFT_SD**2 + pool.label_counts)).astype(np.float32)
    tally = audit_tally(pool, thresholds)
    audited = audited_shares(tally)
    priors = class_priors(pool, config, probability, thresholds)
    bases = [
        _basis(audited is not None, seen, name in guesses) for name, seen in zip(pool.classes, learned, strict=True)
    ]
    shares = [
        _share(basis, prior, float(sd), guesses.get(name))
        for basis, prior, sd, name in zip(bases, priors, shift_sd, pool.classes, strict=True)
    ]
    return Knowledge(
        bases=tuple(bases),
        shares=tuple(shares),
        audit_items=tally.items,
        tally=None if audited is None else tally,
        rules=measure_rules(pool, config, probability=probability, thresholds=thresholds),
        learned=learned,
        shift_sd=shift_sd,
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


def _basis(audited: bool, learned: bool, guessed: bool) -> Basis:
    if audited:
        return Basis.AUDIT
    if learned:
        return Basis.MODEL
    return Basis.GUESS if guessed else Basis.NOTHING


def _share(basis: Basis, prior: Interval, shift_sd: float, guess: float | None) -> Interval | None:
    match basis:
        case Basis.AUDIT:
            return prior
        case Basis.MODEL:
            return _within(prior.value, exp(Z * shift_sd))
        case Basis.GUESS if guess is not None:
            return _within(guess, GUESS_FACTOR)
        case _:
            return None


def _within(share: float, factor: float) -> Interval:
    return Interval(share, share / factor, min(1.0, share * factor))
