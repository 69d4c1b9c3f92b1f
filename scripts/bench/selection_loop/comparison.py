"""Strategies side by side under one condition: values by set and seed, differences with intervals, who is first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scripts.bench.selection_loop.intervals import Difference, paired_difference
from scripts.bench.selection_loop.measures import MEASURES, Value
from scripts.bench.selection_loop.record import ALL_LABELS, Condition, Record

PRODUCT = "quietcorner"
RANDOM = "random"
WITHOUT = f"{PRODUCT}-without-"
UNCERTAINTY = ("entropy", "margin", "badge")

BySeed = Mapping[int, Value]


@dataclass(frozen=True)
class Summary:
    """A measure of one strategy on one set: the mean over the seeds, and whether some replay ended too early for it."""

    mean: float
    at_least: bool


@dataclass(frozen=True)
class Standing:
    """Who is first on a set by a measure.

    Attributes:
        leader: The strategy with the best mean.
        tied: Strategies whose difference to the leader has an interval that holds zero, in the order of their means.
        gap: The product's difference to the leader; None when it leads.
    """

    leader: str
    tied: tuple[str, ...]
    gap: Difference | None

    @property
    def is_kept(self) -> bool:
        """Whether the product is first or tied for first."""
        return self.leader == PRODUCT or PRODUCT in self.tied


@dataclass(frozen=True)
class Comparison:
    """All replays under one condition.

    Attributes:
        condition: The terms.
        sets: Names, in the order of their first record.
        strategies: Names, the product first; channels left out and the yardstick of all labels are not among them.
        without: Strategies that are the product without one channel.
        records: By set, strategy and seed.
        full: Macro-F1 with all labels, by set and seed.
    """

    condition: Condition
    sets: tuple[str, ...]
    strategies: tuple[str, ...]
    without: tuple[str, ...]
    records: Mapping[tuple[str, str], Mapping[int, Record]]
    full: Mapping[tuple[str, int], float]
    _cached: dict[tuple[str, str, str], BySeed] = field(default_factory=dict, repr=False)

    def values(self, measure: str, name: str, strategy: str) -> BySeed:
        """A measure's values of one strategy on one set, by seed."""
        key = measure, name, strategy
        if key not in self._cached:
            of = MEASURES[measure].of
            found = {
                seed: of(record, self.full.get((name, seed)))
                for seed, record in self.records.get((name, strategy), {}).items()
            }
            self._cached[key] = {seed: value for seed, value in found.items() if value is not None}
        return self._cached[key]

    def summary(self, measure: str, name: str, strategy: str) -> Summary | None:
        """A measure's mean over the seeds; None without any value."""
        values = self.values(measure, name, strategy).values()
        if not values:
            return None
        return Summary(float(np.mean([value.value for value in values])), any(value.at_least for value in values))

    def differences(self, measure: str, name: str, strategy: str, base: str = PRODUCT) -> list[float]:
        """Differences of a strategy to another, for the seeds that both have."""
        ours, theirs = self.values(measure, name, strategy), self.values(measure, name, base)
        return [ours[seed].value - theirs[seed].value for seed in sorted(ours.keys() & theirs.keys())]

    def difference(self, measure: str, names: Sequence[str], strategy: str, base: str = PRODUCT) -> Difference | None:
        """The mean difference of a strategy to another over sets, with its interval."""
        return paired_difference([self.differences(measure, name, strategy, base) for name in names])

    def standing(self, measure: str, name: str) -> Standing | None:
        """Who is first on a set; None where fewer than two strategies have a value."""
        means = {
            strategy: summary.mean
            for strategy in self.strategies
            if (summary := self.summary(measure, name, strategy)) is not None
        }
        if len(means) < 2:
            return None
        order = sorted(means, key=lambda strategy: means[strategy], reverse=MEASURES[measure].higher_is_better)
        leader = order[0]
        gaps = {strategy: self.difference(measure, [name], strategy, leader) for strategy in order[1:]}
        tied = tuple(strategy for strategy, gap in gaps.items() if gap is not None and gap.holds_zero)
        return Standing(leader, tied, gaps.get(PRODUCT))

    def below_random(self, strategy: str, names: Sequence[str], *, beyond_doubt: bool = False) -> float | None:
        """Share of the replays whose macro-F1 area is below that of random items with the same set and seed.

        Beyond doubt, it is below by more than half the width of the interval of the set's mean difference.
        """
        below = []
        for name in names:
            gaps = self.differences("macro_f1_area", name, strategy, RANDOM)
            mean = paired_difference([gaps])
            doubt = (mean.high - mean.low) / 2 if mean and beyond_doubt else 0.0
            below += [gap < -doubt for gap in gaps]
        return float(np.mean(below)) if below else None

    def records_of(self, strategy: str, names: Sequence[str]) -> list[Record]:
        """All records of a strategy on some sets."""
        return [record for name in names for record in self.records.get((name, strategy), {}).values()]


def compare(records: Iterable[Record], condition: Condition) -> Comparison:
    """Gather the records of one condition."""
    by_place: dict[tuple[str, str], dict[int, Record]] = {}
    full: dict[tuple[str, int], float] = {}
    for record in records:
        cell = record.cell
        if cell.condition != condition:
            continue
        if cell.strategy == ALL_LABELS:
            full[cell.set, cell.seed] = record.macro_f1[-1]
        else:
            by_place.setdefault((cell.set, cell.strategy), {})[cell.seed] = record
    strategies = list(dict.fromkeys(strategy for _, strategy in by_place))
    usual = [strategy for strategy in strategies if not strategy.startswith(WITHOUT)]
    return Comparison(
        condition=condition,
        sets=tuple(dict.fromkeys(name for name, _ in by_place)),
        strategies=tuple(sorted(usual, key=lambda strategy: strategy != PRODUCT)),
        without=tuple(sorted(set(strategies) - set(usual))),
        records=by_place,
        full=full,
    )
