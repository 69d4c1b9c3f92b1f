"""What the runs of an example came to, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.examples.cases import Case
from scripts.examples.diversity import fixed_clusters, mean_distance, touched, touched_by_chance
from scripts.examples.waves import Followed, Wave
from shared.pool import Index
from workers.simulation.preparation import ReplayData


@dataclass(frozen=True)
class Runs:
    """All seeds of one example.

    Attributes:
        case: The example.
        data: The pool and its labels, which all seeds share.
        kinds: by item id, the way in which its class shows.
        runs: one a seed.
    """

    case: Case
    data: ReplayData
    kinds: Mapping[str, str]
    runs: Sequence[Followed]

    @property
    def rare(self) -> Index:
        """Positions of the items of the class that is looked for."""
        return np.flatnonzero(self.data.truth[:, self.data.pool.classes.index(self.case.rare)])


def found_table(all_: Runs) -> list[str]:
    """Per wave: what was expected and what was found, beside random labeling."""
    lines = _head(
        "wave", "planned at first", "planned anew", "found", "inside (first, anew)", "without quotas", "random"
    )
    for number in range(len(all_.case.waves)):
        at_first = [run.expected_at_first(all_.case.rare)[number] for run in all_.runs]
        anew = [run.anew[number] for run in all_.runs]
        found = [run.waves[number].found for run in all_.runs]
        inside = [
            sum(one.low <= count <= one.high for one, count in zip(told, found, strict=True))
            for told in (at_first, anew)
        ]
        lines.append(
            _row(
                number + 1,
                *(
                    f"{_mean([one.value or 0 for one in told])} ({_mean([one.low for one in told])} to "
                    f"{_mean([one.high for one in told])})"
                    for told in (at_first, anew)
                ),
                _spread(found),
                f"{inside[0]} and {inside[1]} of {len(found)}",
                _spread([run.without_quotas[number].found for run in all_.runs]),
                _spread([run.random[number].found for run in all_.runs]),
            )
        )
    return lines


def quality_table(all_: Runs) -> list[str]:
    """After each wave: the share of the class that is found, and quality on the test set."""
    lines = _head(
        "after wave", f"share of {all_.case.rare} found", "by random labeling", "macro-F1", "random", "F1", "random"
    )
    total = len(all_.rare)
    for number in range(len(all_.case.waves)):
        planned = [run.waves[: number + 1] for run in all_.runs]
        random = [run.random[: number + 1] for run in all_.runs]
        shares = ([sum(wave.found for wave in waves) / total for waves in some] for some in (planned, random))
        lines.append(
            _row(
                number + 1,
                *(f"{np.mean(share):.1%}" for share in shares),
                *(f"{np.mean([waves[-1].macro_f1 for waves in some]):.3f}" for some in (planned, random)),
                *(f"{np.mean([waves[-1].rare_f1 for waves in some]):.3f}" for some in (planned, random)),
            )
        )
    return lines


def source_table(all_: Runs) -> list[str]:
    """Per source: labels and finds in all waves together."""
    pool, rare = all_.data.pool, all_.rare
    lines = _head(
        "source", "items", f"{all_.case.rare}", "labels", "found", "without quotas", "found", "random", "found"
    )
    for code, name in enumerate(pool.source_names):
        of_source = np.flatnonzero(pool.sources == code)
        cells = []
        for some in (
            [run.waves for run in all_.runs],
            [run.without_quotas for run in all_.runs],
            [run.random for run in all_.runs],
        ):
            chosen = [np.intersect1d(_together(waves), of_source) for waves in some]
            cells += [_mean([len(one) for one in chosen]), _mean([len(np.intersect1d(one, rare)) for one in chosen])]
        lines.append(_row(name, f"{len(of_source):,}", len(np.intersect1d(of_source, rare)), *cells))
    return lines


def diversity_table(all_: Runs) -> list[str]:
    """After each wave: how diverse the labeled items are, against random choice."""
    pool, clusters = all_.data.pool, fixed_clusters(all_.data.pool)
    lines = _head("after wave", "distance", "random", "clusters touched", "random")
    for number in range(len(all_.case.waves)):
        both = (
            [_together(waves[: number + 1]) for waves in some]
            for some in ([run.waves for run in all_.runs], [run.random for run in all_.runs])
        )
        planned, random = both
        lines.append(
            _row(
                number + 1,
                *(f"{np.mean([mean_distance(pool.vectors(one)) for one in some]):.3f}" for some in (planned, random)),
                *(f"{np.mean([touched(clusters, one) for one in some]):.1f}" for some in (planned, random)),
            )
        )
    return lines


def finds_table(all_: Runs) -> list[str]:
    """After each wave: how diverse the finds are, against all items of the class."""
    pool, clusters, rare = all_.data.pool, fixed_clusters(all_.data.pool), all_.rare
    kinds = np.array([all_.kinds[item_id] for item_id in pool.item_ids])
    everything = mean_distance(pool.vectors(rare))
    lines = _head(
        "after wave", "distance", f"of all {all_.case.rare}", "clusters touched", "as many at random", "kinds found"
    )
    for number in range(len(all_.case.waves)):
        finds = [np.intersect1d(_together(run.waves[: number + 1]), rare) for run in all_.runs]
        lines.append(
            _row(
                number + 1,
                f"{np.mean([mean_distance(pool.vectors(one)) for one in finds]):.3f}",
                f"{everything:.3f}",
                f"{np.mean([touched(clusters, one) for one in finds]):.1f}",
                f"{np.mean([touched_by_chance(clusters, rare, len(one)) for one in finds]):.1f}",
                f"{np.mean([len(set(kinds[one])) for one in finds]):.1f} of {len(set(kinds[rare]))}",
            )
        )
    return lines


def quota_table(all_: Runs) -> list[str]:
    """Per source: how frequent the class is there, and the quota at first and after the first wave."""
    pool = all_.data.pool
    lines = _head("source", f"{all_.case.rare} in it", "quota at first", "proposed after wave 1")
    for code, name in enumerate(pool.source_names):
        of_source = np.flatnonzero(pool.sources == code)
        at_first = next(one.quota for one in all_.runs[0].first.sources if one.name == name)
        anew = [run.quotas_anew[name] for run in all_.runs]
        share = len(np.intersect1d(of_source, all_.rare)) / len(of_source)
        lines.append(
            _row(name, f"{share:.1%}", f"{at_first:.1%}", f"{np.mean(anew):.1%} ({min(anew):.1%} to {max(anew):.1%})")
        )
    return lines


def over_random(all_: Runs) -> str:
    """What the first two waves found beside random labeling, in a sentence."""
    both, random = (
        sum(wave.found for waves in some for wave in waves[:2])
        for some in ([run.waves for run in all_.runs], [run.random for run in all_.runs])
    )
    return (
        f"By wave 2 the plan has found {both / max(1, random):.1f} times as much {all_.case.rare} as random labeling "
        "of as many items."
    )


def doubling(all_: Runs) -> str:
    """What became of the finds from the first wave to the second, in a sentence."""
    first = [run.waves[0].found for run in all_.runs]
    both = [run.waves[0].found + run.waves[1].found for run in all_.runs]
    times = [late / early for early, late in zip(first, both, strict=True)]
    doubled = sum(late >= 2 * early for early, late in zip(first, both, strict=True))
    return (
        f"That is {np.mean(times):.2f} times as much as after wave 1 ({min(times):.2f} to {max(times):.2f}; at least "
        f"twice as much with {doubled} of {len(times)} seeds)."
    )


def cost_of_quotas(all_: Runs) -> str:
    """What quotas changed in the finds, in a sentence."""
    planned = sum(wave.found for run in all_.runs for wave in run.waves)
    free = sum(wave.found for run in all_.runs for wave in run.without_quotas)
    return (
        f"With the quotas {abs(planned / free - 1):.1%} {'more' if planned >= free else 'less'} {all_.case.rare} was "
        "found than without."
    )


def _together(waves: Sequence[Wave]) -> Index:
    return np.concatenate([wave.chosen for wave in waves])


def _head(*names: str) -> list[str]:
    return [_row(*names), "| " + " | ".join("---" for _ in names) + " |"]


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):,.0f}"


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):,.1f} ({min(values):,.0f} to {max(values):,.0f})"
