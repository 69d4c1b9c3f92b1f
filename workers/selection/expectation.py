"""How many items of each class a wave is expected to bring, and how surely. Pure.

Each chosen item is of a class at a rate that is known in one of these ways, the first that applies:

1. `audit`: it was drawn at random, and the audit sample is large enough: the rate in its stratum.
2. `rule`: a rule of the class chose it (before the class has a label and a model: hits it): the rule's precision.
   Before a rule has a label its precision may be anything from nothing to what the share of the class in the pool
   allows, Jeffreys' prior over that range.
3. `model`: its calibrated probability, and what that may be off by (`workers.selection.doubts`).
4. `later`: a model will choose it that does not exist yet: anything from nothing to all items of the class that are
   left, Jeffreys' prior again.
5. `chance`: the share of the class in the pool, less what the rules are thought to hit of it.

Where the share of a class is known from nothing, 4, 5 and rules without a label are `unknown`: from none to all.

Rates are drawn from what is known of them, the same for all waves, then counts from the rates; the interval holds 95 %
of these counts. It so spans what is not known of the rates and the luck of the draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.pool import Floats, Index, Mask, Pool
from shared.project import ProjectConfig
from workers.selection.doubts import draw_count
from workers.selection.knowledge import Knowledge, best_rules
from workers.selection.rates import Doubles, Rates, anything_up_to, draw_rates
from workers.training import audit, bands
from workers.training.metrics import Interval

_DRAWS = 2_000
_TAILS = 2.5, 97.5
# Channels that choose without a model.
_WITHOUT_MODEL = ("audit", "rule", "coverage")
# A model that saw a wave chooses the next one otherwise: in log-odds, for each wave in between.
_DRIFT_SD = 0.5


@dataclass(frozen=True)
class ChosenItems:
    """The items of one wave: (n,) positions in the pool, and the channel that chose each."""

    positions: Index
    channels: Sequence[str]


@dataclass(frozen=True)
class Expected:
    """Items of one class.

    Attributes:
        name: of the class.
        value: how many are expected; None where that is unknown for some item.
        low: fewer would be a surprise.
        high: as would be more.
        at_random: what as many random items would bring; None where the share of the class is unknown.
        known_from: items by the way in which their rate is known.
    """

    name: str
    value: float | None
    low: int
    high: int
    at_random: Interval | None
    known_from: Mapping[str, int]


def expect(
    pool: Pool,
    config: ProjectConfig,
    knowledge: Knowledge,
    waves: Sequence[ChosenItems],
    *,
    probability: Floats | None,
    seed: int,
) -> tuple[list[list[Expected]], list[Expected]]:
    """Expected items of each class, in each wave and in all of them together.

    Args:
        pool: The pool before the first wave.
        config: The project.
        knowledge: What is known of it.
        waves: What they would choose.
        probability: (n, n_classes) float32 calibrated; None before the first model.
        seed: Of the draws.
    """
    stratum = None if bands.phases(pool.bands) else audit.stratify(pool)[1]
    by_class = []
    for column in range(len(pool.classes)):
        rng = np.random.default_rng([seed, column])
        rules = best_rules(pool, config, knowledge, column)
        rates = draw_rates(pool, knowledge, column, rules, draws=_DRAWS, rng=rng)
        chances = None if probability is None else probability[:, column].astype(np.float64)
        facts = _Facts(rates, rules, stratum, knowledge.kinds.of, chances, len(pool.eligible))
        counts = _count_waves(waves, facts, rng)
        by_class.append([_told(pool.classes[column], count) for count in [*counts, _together(counts)]])
    return [[told[number] for told in by_class] for number in range(len(waves))], [told[-1] for told in by_class]


@dataclass(frozen=True)
class _Facts:
    """What the counts of one class hang on.

    Attributes:
        rates: of the class.
        rules: (n,) the rule by which each item is judged, -1 for none.
        stratum: (n,) of the audit sample; None where it is drawn by bands, which a stratum's rate says nothing of.
        kinds: (n,) the shift that holds for each item.
        probability: (n,) float64; None before the first model.
        eligible: items that may be chosen.
    """

    rates: Rates
    rules: Index
    stratum: Index | None
    kinds: Index
    probability: Doubles | None
    eligible: int


@dataclass(frozen=True)
class _Count:
    """Items of a class in some wave: (n_draws,) counts, and items that may or may not be of it besides."""

    draws: Doubles
    unknown: int
    at_random: Doubles | None
    known_from: Mapping[str, int]


def _count_waves(waves: Sequence[ChosenItems], facts: _Facts, rng: np.random.Generator) -> list[_Count]:
    counts: list[_Count] = []
    found = np.zeros(_DRAWS)
    for number, wave in enumerate(waves):
        cells = _sort_out(wave, number, facts)
        draws = np.zeros(_DRAWS)
        for kind, inside in cells.items():
            if kind != "unknown":
                draws += _draw(kind, wave.positions[inside], number, found, facts, rng)
        share = facts.rates.share
        counts.append(
            _Count(
                draws=draws,
                unknown=int(cells["unknown"].sum()) if "unknown" in cells else 0,
                at_random=None if share is None else rng.binomial(len(wave.positions), share).astype(np.float64),
                known_from={kind: int(inside.sum()) for kind, inside in cells.items()},
            )
        )
        found = found + draws
    return counts


def _sort_out(wave: ChosenItems, number: int, facts: _Facts) -> dict[str, Mask]:
    """The items of a wave, (n,) bool each, by the way in which their rate is known."""
    rates, channels = facts.rates, np.array(wave.channels, dtype=str)
    rules = facts.rules[wave.positions]
    modelled = rates.shifts is not None
    ruled = (rules >= 0) & ((channels == "rule") | (not modelled))
    later = (number > 0) & (facts.probability is None) & ~np.isin(channels, _WITHOUT_MODEL)
    wanted = {
        "audit": (channels == "audit") & (rates.strata is not None) & (facts.stratum is not None),
        "rule": ruled & np.isin(rules, list(rates.rules)),
        "unknown": (ruled & ~np.isin(rules, list(rates.rules))) | ((rates.share is None) & (not modelled)),
        "model": np.full(len(rules), modelled),
        "later": later,
        "chance": np.ones(len(rules), dtype=bool),
    }
    left, cells = np.ones(len(rules), dtype=bool), {}
    for kind, mask in wanted.items():
        if (inside := left & mask).any():
            cells[kind] = inside
        left &= ~mask
    return cells


def _draw(kind: str, positions: Index, number: int, found: Doubles, facts: _Facts, rng: np.random.Generator) -> Doubles:
    """(n_draws,) items of the class among those at `positions`."""
    rates, count = facts.rates, len(positions)
    match kind:
        case "audit" if rates.strata is not None and facts.stratum is not None:
            return _by_cell(facts.stratum[positions], dict(enumerate(rates.strata)), rng)
        case "rule":
            return _by_cell(facts.rules[positions], rates.rules, rng)
        case "model" if facts.probability is not None and rates.shifts is not None:
            shifts = rates.shifts + rng.normal(0, _DRIFT_SD * np.sqrt(number), _DRAWS)
            kinds, chances = facts.kinds[positions], facts.probability[positions]
            parts = (draw_count(chances[kinds == kind], shifts[kind], rng) for kind in np.unique(kinds).tolist())
            return sum(parts, np.zeros(_DRAWS))
        case "later" if rates.share is not None:
            left = rates.share * facts.eligible - found
            return _binomial(count, anything_up_to(left / count, rng), rng)
        case _:
            return _binomial(count, np.zeros(_DRAWS) if rates.rest is None else rates.rest, rng)


def _by_cell(cells: Index, rates: Mapping[int, Doubles], rng: np.random.Generator) -> Doubles:
    names, counts = np.unique(cells, return_counts=True)
    parts = (_binomial(count, rates[cell], rng) for cell, count in zip(names.tolist(), counts.tolist(), strict=True))
    return sum(parts, np.zeros(_DRAWS))


def _binomial(count: int, rate: Doubles, rng: np.random.Generator) -> Doubles:
    return rng.binomial(count, rate).astype(np.float64)


def _together(counts: Sequence[_Count]) -> _Count:
    random = [count.at_random for count in counts if count.at_random is not None]
    kinds = {kind for count in counts for kind in count.known_from}
    return _Count(
        draws=sum((count.draws for count in counts), np.zeros(_DRAWS)),
        unknown=sum(count.unknown for count in counts),
        at_random=sum(random, np.zeros(_DRAWS)) if random else None,
        known_from={kind: sum(count.known_from.get(kind, 0) for count in counts) for kind in sorted(kinds)},
    )


def _told(name: str, count: _Count) -> Expected:
    low, high = np.percentile(count.draws, _TAILS)
    at_random = count.at_random
    return Expected(
        name=name,
        value=None if count.unknown else round(float(count.draws.mean()), 1),
        low=int(np.floor(low)),
        high=int(np.ceil(high)) + count.unknown,
        at_random=None
        if at_random is None
        else Interval(
            round(float(at_random.mean()), 1), *(round(float(end)) for end in np.percentile(at_random, _TAILS))
        ),
        known_from=count.known_from,
    )
