"""Which strategies an imbalance calls for. Pure.

| condition | holds when | remedy |
| --- | --- | --- |
| `no_label` | a class has no label | a seeding rule finds its first items |
| `few_labels` | a class has 1 to 19 labels (or fewer than its target, if that is lower) | rules, coverage, chance |
| `rare` | a class is under 1 % of the pool, as 100 or more labeled audit items estimate it; with fewer of them, \
of the labels | a target, the channels `likely` and `anchor`, class weights |
| `beyond_need` | a class has 100 labels or more, and over twice its target; without a target, over five times the \
median of the other classes | a cap on the class |
| `neglected` | a source has under half of the labels that its share of the items would bring, where that share would \
bring 10 or more | a quota for the source |
| `no_estimate` | no audit item is labeled, so that nobody knows how rare classes are | label the audit items |
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from workers.training.imbalance import ClassFigures, Imbalance, SourceFigures

# As the selection's channels have it: with fewer a class still lacks examples.
FEW_LABELS = 20
RARE_SHARE = 0.01
# With fewer audit items an estimate under 1 % is one without a single example.
ENOUGH_AUDIT_ITEMS = 100
MANY_LABELS = 100
_TARGETS_BEYOND_NEED = 2
_MEDIANS_BEYOND_NEED = 5
_NEGLECT = 0.5
_LEAST_EXPECTED = 10


class Condition(StrEnum):
    """What calls for a remedy."""

    NO_ESTIMATE = "no_estimate"
    NO_LABEL = "no_label"
    FEW_LABELS = "few_labels"
    RARE = "rare"
    BEYOND_NEED = "beyond_need"
    NEGLECTED = "neglected"


@dataclass(frozen=True)
class Finding:
    """A condition that holds, and for which class or source; None for the project as a whole."""

    condition: Condition
    about: ClassFigures | SourceFigures | None


def findings(imbalance: Imbalance, targets: Mapping[str, int]) -> list[Finding]:
    """All conditions that hold, by condition in the order of `Condition`, then as classes and sources are given.

    Args:
        imbalance: The figures.
        targets: Labels wanted by class, where the project says so.
    """
    found = [
        *_of_the_whole(imbalance),
        *(Finding(which, one) for one in imbalance.classes for which in _of_class(one, imbalance, targets)),
        *(Finding(Condition.NEGLECTED, source) for source in imbalance.sources if _neglected(source, imbalance)),
    ]
    order = list(Condition)
    return sorted(found, key=lambda finding: order.index(finding.condition))


def pool_share(one: ClassFigures, imbalance: Imbalance) -> tuple[float | None, bool]:
    """The class's share, and whether the audit sample estimates it; with too few audit items it is that of the
    labels, of which a rare class has more than its share of the pool."""
    if one.prevalence is not None and imbalance.audit_items >= ENOUGH_AUDIT_ITEMS:
        return one.prevalence.value, True
    return one.share, False


def _of_the_whole(imbalance: Imbalance) -> Iterator[Finding]:
    if imbalance.items and not imbalance.audit_items:
        yield Finding(Condition.NO_ESTIMATE, None)


def _of_class(one: ClassFigures, imbalance: Imbalance, targets: Mapping[str, int]) -> Iterator[Condition]:
    if not one.labels:
        yield Condition.NO_LABEL
        return
    if one.labels < min(FEW_LABELS, targets.get(one.name, FEW_LABELS)):
        yield Condition.FEW_LABELS
    share, _ = pool_share(one, imbalance)
    if share is not None and share < RARE_SHARE:
        yield Condition.RARE
    if _beyond_need(one, imbalance, targets.get(one.name)):
        yield Condition.BEYOND_NEED


def _beyond_need(one: ClassFigures, imbalance: Imbalance, target: int | None) -> bool:
    if one.labels < MANY_LABELS:
        return False
    if target is not None:
        return one.labels > _TARGETS_BEYOND_NEED * target
    others = [other.labels for other in imbalance.classes if other is not one]
    return bool(others) and one.labels > _MEDIANS_BEYOND_NEED * median(others)


def _neglected(source: SourceFigures, imbalance: Imbalance) -> bool:
    expected = source.share * imbalance.labels
    return expected >= _LEAST_EXPECTED and source.labels < _NEGLECT * expected
