"""What seeding rules turned out to be worth: the precision of each among the labels, and which of them should stop.

A rule earns its places by finding more of its class than chance would. Once it is sure that it finds fewer, it stops.
The question is asked anew in every round, so a rule that stopped too early comes back when more labels or a better
estimate of its class speak for it.

What it is measured on: every labeled item that the rule hits, one a duplicate group, whatever channel chose it. That
is not a random part of its hits. The likely channel adds items of the class and makes a rule look better than it is,
which keeps it for longer; the boundary channel draws every rule toward one half. Of descriptions and hints the
strongest hits are labeled first, so that what is left is worth less than what was measured.

What it is measured against: the share of its class in the pool, which must not come from items that rules chose.

1. The audit sample, weighted by inclusion (`workers.training.imbalance.prevalence`), once it has labels enough.
2. Before that, the model's opinion of the whole pool: the mean probability of the class or the share of items for which
   it is the most probable (of several classes: at least as probable as not), whichever is lower. Where probabilities
   are off, the mean is too high for rare classes: without calibration and with balanced class weights it told 0.023 for
   `grief` in 3,000 texts of GoEmotions, 600 of them labeled; it was the answer for 0.003, and 0.0015 was true.
3. For a class of which the model has seen nothing, an even share, and 2 % at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig, Task
from workers.selection.proportions import ENOUGH_AUDIT_ITEMS, stops, wilson
from workers.training import audit, bands, windows
from workers.training.imbalance import AuditTally, prevalence
from workers.training.intervals import Design
from workers.training.metrics import Interval

# Share of the pool for which the labeled audit items' strata stand, from which on the sample is asked.
_ENOUGH_COVERED = 0.9
# Of a class that nobody has seen yet: without a hit, a rule stops after 189 labels.
_LARGEST_UNKNOWN = 0.02


@dataclass(frozen=True)
class RulePrecision:
    """One rule beside its class.

    Attributes:
        name: of the rule.
        label: its class.
        hits: items that it hits.
        left: those of them that may still be queued.
        labels: labeled ones, one a duplicate group.
        right: those of them that are of its class.
        precision: `right` of `labels` with its Wilson interval; None without a label.
        prior: share of the class in the pool; an interval of no width where it is no count.
        stopped: whether it should get no more places: it surely finds less of its class than chance does.
    """

    name: str
    label: str
    hits: int
    left: int
    labels: int
    right: int
    precision: Interval | None
    prior: Interval
    stopped: bool

    @property
    def exhausted(self) -> bool:
        """Whether it has nothing left to propose."""
        return self.left == 0


def measure_rules(
    pool: Pool, config: ProjectConfig, *, probability: Floats | None, thresholds: Mapping[str, float]
) -> tuple[RulePrecision, ...]:
    """The rules of a pool, in its order.

    Args:
        pool: The pool.
        config: The project.
        probability: (n, n_classes) float32 of every item; None before the first model.
        thresholds: The audit sample's, by stratum.
    """
    if not pool.rule_names:
        return ()
    label = {rule.name: rule.label for rule in config.rules}
    priors = dict(zip(pool.classes, class_priors(pool, config, probability, thresholds), strict=True))
    return tuple(
        _measure(pool, column, name, label[name], priors[label[name]]) for column, name in enumerate(pool.rule_names)
    )


def class_priors(
    pool: Pool, config: ProjectConfig, probability: Floats | None, thresholds: Mapping[str, float]
) -> list[Interval]:
    """The share of each class in the pool, as well as it can be known; arguments as for `measure_rules`."""
    counted = audited_shares(audit_tally(pool, thresholds))
    if counted is not None:
        return counted
    unknown = min(1 / len(pool.classes), _LARGEST_UNKNOWN)
    if probability is None:
        return [_exactly(unknown)] * len(pool.classes)
    guessed = np.minimum(probability.mean(axis=0, dtype=np.float64), _answers(probability, config).mean(axis=0))
    return [
        _exactly(share if seen else unknown)
        for share, seen in zip(guessed.tolist(), (pool.label_counts > 0).tolist(), strict=True)
    ]


def audited_shares(tally: AuditTally) -> list[Interval] | None:
    """The share of each class in the pool by the audit sample; None while that is too small to be asked."""
    if tally.items < ENOUGH_AUDIT_ITEMS or tally.covered < _ENOUGH_COVERED:
        return None
    return prevalence(tally)


def audit_tally(pool: Pool, thresholds: Mapping[str, float]) -> AuditTally:
    """The labeled part of the audit sample, by strata in the order of `audit.stratify`."""
    names, stratum = audit.stratify(pool)
    answered = audit.answers(pool, thresholds)
    stratum_of = stratum[pool.representative_of(answered)]
    counts, answers = _counts(stratum_of, len(names)), pool.targets[answered]
    if not len(answered) or not (bands.phases(pool.bands) or windows.any_of(thresholds)):
        positives = np.zeros((len(names), len(pool.classes)), dtype=np.int64)
        np.add.at(positives, stratum_of, answers)
        return AuditTally(_counts(stratum[pool.representatives], len(names)), counts, positives)
    weighed = audit.weigh(pool, thresholds, answered)
    stands = np.bincount(stratum_of, weights=weighed.weights, minlength=len(names))
    held = np.zeros((len(names), len(pool.classes)))
    np.add.at(held, stratum_of, answers * weighed.weights[:, None])
    return AuditTally(
        sizes=_counts(stratum[pool.representatives], len(names)),
        answered=counts,
        positives=held * (counts / np.where(counts, stands, 1))[:, None],
        shares=Design(weighed.weights, weighed.strata, pool.families[answered]).shares(answers),
    )


def _answers(probability: Floats, config: ProjectConfig) -> Mask:
    """(n, n_classes) bool, the most probable answer for each item."""
    if config.task is not Task.SINGLE:
        return probability >= 0.5
    best: Mask = np.arange(probability.shape[1]) == probability.argmax(axis=1)[:, None]
    return best


def _measure(pool: Pool, column: int, name: str, label: str, prior: Interval) -> RulePrecision:
    hit = pool.rule_hits[:, column]
    positions = np.flatnonzero(hit & pool.labeled)
    positions = positions[np.unique(pool.groups[positions], return_index=True)[1]]
    labels, right = len(positions), int(pool.targets[positions, pool.classes.index(label)].sum())
    precision = Interval(right / labels, *wilson(right, labels)) if labels else None
    return RulePrecision(
        name=name,
        label=label,
        hits=int(hit.sum()),
        left=int(hit[pool.eligible].sum()),
        labels=labels,
        right=right,
        precision=precision,
        prior=prior,
        stopped=precision is not None and stops(precision, prior),
    )


def _counts(stratum: Index, count: int) -> Index:
    return np.bincount(stratum, minlength=count)


def _exactly(share: float) -> Interval:
    return Interval(share, share, share)
