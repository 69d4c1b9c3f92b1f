"""What the runs of an example came to, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scripts.examples.cases import Case
from scripts.examples.diversity import CLUSTERS, fixed_clusters, mean_distance, touched, touched_by_chance
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
    """After each wave: how diverse the labeled items are, and the finds among them, against random choice."""
    pool, clusters = all_.data.pool, fixed_clusters(all_.data.pool)
    kinds = np.array([all_.kinds[item_id] for item_id in pool.item_ids])
    lines = _head(
        "after wave",
        "distance of labeled items",
        "random",
        f"clusters of {CLUSTERS} touched",
        "random",
        "distance of finds",
        f"of all {all_.case.rare}",
        "clusters with finds",
        "as many at random",
        f"kinds of {all_.case.rare} found",
    )
    for number in range(len(all_.case.waves)):
        planned = [_together(run.waves[: number + 1]) for run in all_.runs]
        random = [_together(run.random[: number + 1]) for run in all_.runs]
        finds = [np.intersect1d(chosen, all_.rare) for chosen in planned]
        lines.append(
            _row(
                number + 1,
                *(f"{np.mean([mean_distance(pool.vectors(one)) for one in some]):.3f}" for some in (planned, random)),
                *(f"{np.mean([touched(clusters, one) for one in some]):.1f}" for some in (planned, random)),
                f"{np.mean([mean_distance(pool.vectors(one)) for one in finds]):.3f}",
                f"{mean_distance(pool.vectors(all_.rare)):.3f}",
                f"{np.mean([touched(clusters, one) for one in finds]):.1f}",
                f"{np.mean([touched_by_chance(clusters, all_.rare, len(one)) for one in finds]):.1f}",
                f"{np.mean([len(set(kinds[one])) for one in finds]):.1f} of {len(set(kinds[all_.rare]))}",
            )
        )
    return lines


def doubling(all_: Runs) -> Iterator[str]:
    """What became of the share found from the first wave to the second."""
    first = [run.waves[0].found for run in all_.runs]
    both = [run.waves[0].found + run.waves[1].found for run in all_.runs]
    random = [run.random[0].found + run.random[1].found for run in all_.runs]
    times = [late / early for early, late in zip(first, both, strict=True)]
    over_random = float(np.mean(both)) / max(1.0, float(np.mean(random)))
    yield (
        f"By wave 2 the plan has found {np.mean(times):.2f} times as much {all_.case.rare} as after wave 1 "
        f"({min(times):.2f} to {max(times):.2f} over the seeds), and {over_random:.1f} times as much as random "
        "labeling of as many items."
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
