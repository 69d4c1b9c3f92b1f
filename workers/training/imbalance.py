"""How uneven classes and sources are, in figures. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from shared.pool import Index
from workers.training.metrics import Interval
from workers.training.weighting import Weighting, class_weights

Shares = NDArray[np.float64]

# 95 % between them.
_TAILS = 0.025, 0.975


@dataclass(frozen=True)
class Tally:
    """Items and labels as counted.

    Attributes:
        classes: names of the columns of `counts`.
        sources: names of the rows of the arrays.
        items: (n_sources,) items of each source.
        labeled: (n_sources,) labeled items of each source.
        counts: (n_sources, n_classes) labeled items of each source that hold each class.
        exclusive: whether each labeled item holds exactly one class.
    """

    classes: tuple[str, ...]
    sources: tuple[str, ...]
    items: Index
    labeled: Index
    counts: Index
    exclusive: bool


@dataclass(frozen=True)
class AuditTally:
    """The labeled part of the audit sample, by the strata in which it was drawn.

    Attributes:
        sizes: (n_strata,) items of the pool, one a duplicate group.
        answered: (n_strata,) labeled audit items among them.
        positives: (n_strata, n_classes) those of them that hold each class. Where the items of a stratum were drawn
            with different probabilities, the share that they stand for times `answered`, no whole numbers.
        shares: Each class's share of the pool, where more is known of how the items were drawn than their strata.
    """

    sizes: Index
    answered: Index
    positives: Index | Shares
    shares: list[Interval] | None = None

    @property
    def items(self) -> int:
        """Labeled audit items."""
        return int(self.answered.sum())

    @property
    def covered(self) -> float:
        """Share of the pool whose strata have a labeled audit item."""
        total = int(self.sizes.sum())
        return float(self.sizes[self.answered > 0].sum() / total) if total else 0.0


@dataclass(frozen=True)
class ClassFigures:
    """One class.

    Attributes:
        labels: Labeled items that hold it.
        share: Their share of all labeled items; None without any.
        prevalence: Estimated share of the pool, one item a duplicate group; None without labeled audit items.
        ratio: Labels of the largest class for each label of this one; None without a label.
        weight: What training multiplies an error on the class with, before `costs`, see
            `workers.training.weighting.class_weights`. Where an item may hold several classes each is learned by
            itself, its items against the others. None without a label.
        effective_number: See `effective_numbers`.
    """

    name: str
    labels: int
    share: float | None
    prevalence: Interval | None
    ratio: float | None
    weight: float | None
    effective_number: float


@dataclass(frozen=True)
class SourceFigures:
    """One source: `share` of the items and `label_share` of the labeled ones, and labels by class."""

    name: str
    items: int
    share: float
    labels: int
    label_share: float | None
    by_class: dict[str, int]


@dataclass(frozen=True)
class Evenness:
    """How even a class distribution is.

    Attributes:
        imbalance_ratio: The largest class over the smallest that occurs; None when none does.
        normalised_entropy: Shannon entropy over its maximum, log K for K classes, the empty ones included: 1 is even,
            0 is one class alone. None when none occurs, or for a single class.
    """

    imbalance_ratio: float | None
    normalised_entropy: float | None


@dataclass(frozen=True)
class Imbalance:
    """All figures.

    Attributes:
        audit_items: Labeled audit items behind the prevalences.
        audit_covered: Share of the pool that they stand for; strata without any are not estimated.
        of_labels: Evenness of the labels.
        of_pool: Evenness of the prevalences; None where they are.
    """

    items: int
    labels: int
    audit_items: int
    audit_covered: float
    beta: float
    classes: tuple[ClassFigures, ...]
    sources: tuple[SourceFigures, ...]
    of_labels: Evenness
    of_pool: Evenness | None


def measure(tally: Tally, audit: AuditTally, *, beta: float, weighting: Weighting = "balanced") -> Imbalance:
    """The figures for what was counted; `beta` as for `effective_numbers`, `weighting` as for `class_weights`."""
    counts = tally.counts.sum(axis=0)
    labels = int(tally.labeled.sum())
    prevalences = prevalence(audit)
    return Imbalance(
        items=int(tally.items.sum()),
        labels=labels,
        audit_items=audit.items,
        audit_covered=audit.covered,
        beta=beta,
        classes=_classes(tally, counts, labels, prevalences, effective_numbers(counts, beta), weighting),
        sources=_sources(tally, labels),
        of_labels=evenness(counts.astype(np.float64)),
        of_pool=evenness(np.array([found.value for found in prevalences])) if prevalences else None,
    )


def effective_numbers(counts: Index, beta: float) -> Shares:
    """Effective number of samples of each class, E_n = (1 - beta^n) / (1 - beta).

    After Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019, section 3): further items
    of a class tell less and less that is new. For beta = 0 every class that occurs counts 1; for beta near 1 the
    numbers approach n.

    Args:
        counts: (n_classes,) items of each class.
        beta: 0 <= beta < 1.
    """
    numbers: Shares = (1 - beta ** counts.astype(np.float64)) / (1 - beta)
    return numbers


def evenness(amounts: Shares) -> Evenness:
    """How even `amounts` (n_classes,), counts or shares, are."""
    occurring = amounts[amounts > 0]
    if not len(occurring):
        return Evenness(None, None)
    part = occurring / occurring.sum()
    entropy = max(0.0, -float((part * np.log(part)).sum()))
    return Evenness(
        imbalance_ratio=float(occurring.max() / occurring.min()),
        normalised_entropy=entropy / float(np.log(len(amounts))) if len(amounts) > 1 else None,
    )


def prevalence(audit: AuditTally) -> list[Interval] | None:
    """Each class's share of the pool with its 95 % interval; None without labeled audit items.

    Each answered item weighs one over its inclusion probability, its stratum's size over the stratum's answered items
    (Horvitz and Thompson 1952). The interval is that of Clopper and Pearson (1934) at the effective sample size, as
    Korn and Graubard (1998) advise for rare shares from unequal weights, where the normal approximation collapses to
    nothing at zero. The effective sample size is Kish's (1965) with the finite population correction, so that a pool
    that is labeled as a whole has no interval left.
    """
    if audit.shares is not None:
        return audit.shares
    seen = audit.answered > 0
    if not seen.any():
        return None
    sizes, answered = audit.sizes[seen].astype(np.float64), audit.answered[seen]
    part = sizes / sizes.sum()
    shares = part @ (audit.positives[seen] / answered[:, None])
    spread = float((part**2 * (1 - answered / sizes) / answered).sum())
    return [_clopper_pearson(min(1.0, float(share)), spread) for share in shares]


def _clopper_pearson(share: float, spread: float) -> Interval:
    """The interval of a share from a sample of effectively 1 / `spread` items."""
    if spread <= 0:
        return Interval(share, share, share)
    n = 1 / spread
    hits, misses = share * n, (1 - share) * n
    low = float(betaincinv(hits, misses + 1, _TAILS[0])) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, misses, _TAILS[1])) if misses > 0 else 1.0
    return Interval(share, low, high)


def _classes(
    tally: Tally,
    counts: Index,
    labels: int,
    prevalences: list[Interval] | None,
    effective: Shares,
    weighting: Weighting,
) -> tuple[ClassFigures, ...]:
    weights = _weights(counts, labels, weighting, exclusive=tally.exclusive)
    largest = int(counts.max(initial=0))
    return tuple(
        ClassFigures(
            name=name,
            labels=count,
            share=count / labels if labels else None,
            prevalence=prevalences[column] if prevalences else None,
            ratio=largest / count if count else None,
            weight=float(weights[column]) if count else None,
            effective_number=float(effective[column]),
        )
        for column, (name, count) in enumerate(zip(tally.classes, counts.tolist(), strict=True))
    )


def _weights(counts: Index, labels: int, weighting: Weighting, *, exclusive: bool) -> Shares:
    if exclusive:
        return class_weights(counts, weighting)
    return np.array([class_weights(np.array([labels - count, count]), weighting)[1] for count in counts.tolist()])


def _sources(tally: Tally, labels: int) -> tuple[SourceFigures, ...]:
    total = int(tally.items.sum())
    return tuple(
        SourceFigures(
            name=name,
            items=items,
            share=items / total if total else 0.0,
            labels=labeled,
            label_share=labeled / labels if labels else None,
            by_class={name: count for name, count in zip(tally.classes, counts, strict=True) if count},
        )
        for name, items, labeled, counts in zip(
            tally.sources, tally.items.tolist(), tally.labeled.tolist(), tally.counts.tolist(), strict=True
        )
    )
