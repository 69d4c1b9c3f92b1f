"""`scripts/bench/goals`: labels that two worked goals take, by the loop and by labeling at random.

The first: a recall of 0.85 at a precision of 0.6 for a class of 4 %. The second: 30 intents, 5 of them under 1 %.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

from scripts.bench.selection_loop.markdown import number, table
from scripts.bench.selection_loop.prepared import Prepared, prepare_set
from scripts.bench.selection_loop.sets import BenchSet, cut_class, find_sets
from scripts.bench.selection_loop.stored import fill_cache, stored_vectors
from shared.errors import QuietCornerError
from shared.project import ProjectConfig
from workers.embedding.encoders import PACKAGED
from workers.simulation.replay import RoundReport, rare_classes, replay

_ROOT = Path(__file__).parents[2]
_STRATEGIES = ("quietcorner", "random")
_RECALL, _PRECISION, _SHARE = 0.85, 0.6, 0.04
_CUT = {"davidson_hate": "hate_speech", "sms_spam": "spam", "crisislex_t6": "on-topic"}
_INTENTS = "clinc150-30-rare5"

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Course:
    """One replay: labels, and what was reached on the test set after each round."""

    set: str
    strategy: str
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]
    recall: np.ndarray[tuple[int], np.dtype[np.float64]]
    precision: np.ndarray[tuple[int], np.dtype[np.float64]]
    macro_f1: np.ndarray[tuple[int], np.dtype[np.float64]]
    rare_f1: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def reached(self) -> float:
        """Labels from which on recall and precision stay what is wanted; infinite when they don't come to be."""
        held = (self.recall >= _RECALL) & (self.precision >= _PRECISION)
        from_there = np.flatnonzero(np.logical_and.accumulate(held[::-1])[::-1])
        return float(self.labels[from_there[0]]) if len(from_there) else np.inf


def main() -> int:
    """Replay and print the tables; returns the exit code."""
    given = _arguments()
    try:
        sets = find_sets(given.data)
    except QuietCornerError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    cut = [
        BenchSet(f"{name}-4pct", sets[name].file, partial(cut_class, name=class_name, share=_SHARE))
        for name, class_name in _CUT.items()
        if name in sets
    ]
    chosen = [*cut, *([sets[_INTENTS]] if _INTENTS in sets else [])]
    cache = (given.cache or given.out / "cache").resolve()
    encoder = fill_cache(chosen, folder=cache, encoder=PACKAGED, advance=lambda *_: None)
    courses: list[Course] = []
    vectors, kept = stored_vectors(cache, encoder), cache / "prepared"
    with threadpool_limits(1):
        for one in chosen:
            for seed in range(given.seeds):
                console.print(f"{one.name}, seed {seed}")
                prepared = prepare_set(one, seed=seed, vectors=vectors, folder=kept)
                courses += [
                    _follow(one.name, prepared, strategy, given, seed=seed, encoder=encoder) for strategy in _STRATEGIES
                ]
    print(goal_table([course for course in courses if course.set != _INTENTS]))
    print()
    print(intent_table([course for course in courses if course.set == _INTENTS], every=max(1, given.rounds // 5)))
    return 0


def goal_table(courses: Sequence[Course]) -> str:
    """By set and strategy: labels that the first goal took, and where it ended."""
    head = ("set", "strategy", "labels to the goal, median", "least to most", "runs there", "recall", "precision")
    rows = []
    for name, strategy in dict.fromkeys((course.set, course.strategy) for course in courses):
        mine = [course for course in courses if (course.set, course.strategy) == (name, strategy)]
        reached = np.array([course.reached for course in mine])
        # Where fewer runs than half reached it, there is no median to be named.
        median, least, most = np.median(reached), reached.min(), reached.max()
        rows.append(
            (
                name,
                strategy,
                _labels(median, mine[0]),
                f"{_labels(least, mine[0])} to {_labels(most, mine[0])}",
                f"{int(np.isfinite(reached).sum())} of {len(mine)}",
                _spread([course.recall[-1] for course in mine]),
                _spread([course.precision[-1] for course in mine]),
            )
        )
    return table(head, rows)


def intent_table(courses: Sequence[Course], *, every: int) -> str:
    """By labels: macro-F1 and F1 of the rare intents, by the loop and at random."""
    head = ("labels", *(f"{what}, {strategy}" for what in ("macro-F1", "rare F1") for strategy in _STRATEGIES))
    if not courses:
        return table(head, [])
    rows = []
    for place in range(every - 1, len(courses[0].labels), every):
        cells = []
        for what in ("macro_f1", "rare_f1"):
            for strategy in _STRATEGIES:
                mine = [course for course in courses if course.strategy == strategy and place < len(course.labels)]
                cells.append(_spread([getattr(course, what)[place] for course in mine]))
        rows.append((number(float(courses[0].labels[place]), 0), *cells))
    return table(head, rows)


def _follow(
    name: str, prepared: Prepared, strategy: str, given: argparse.Namespace, *, seed: int, encoder: str
) -> Course:
    data = prepared.data
    rare = prepared.rare or rare_classes(data)
    goals = {} if name == _INTENTS else {rare[0]: {"recall": _RECALL, "precision": _PRECISION}}
    config = ProjectConfig.model_validate(
        {
            "task": prepared.task,
            "classes": data.pool.classes,
            "seed": seed,
            "goals": goals,
            "selection": {"batch_size": given.batch},
        }
    )
    reports = list(
        replay(
            data,
            config,
            strategy=strategy,
            encoder=encoder,
            init=given.batch,
            rounds=given.rounds,
            rare=rare,
            clock=lambda: 0.0,
        )
    )
    return _course(name, strategy, reports, rare)


def _course(name: str, strategy: str, reports: Sequence[RoundReport], rare: Sequence[str]) -> Course:
    of_class = [report.per_class[rare[0]] for report in reports]
    return Course(
        set=name,
        strategy=strategy,
        labels=np.array([report.labels for report in reports]),
        recall=np.array([metrics.recall for metrics in of_class]),
        precision=np.array([metrics.precision for metrics in of_class]),
        macro_f1=np.array([report.macro_f1 for report in reports]),
        rare_f1=np.array([report.rare_f1(rare) or 0.0 for report in reports]),
    )


def _labels(value: float, course: Course) -> str:
    return number(value, 0) if np.isfinite(value) else f"over {course.labels[-1]:,}"


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" if len(values) else "-"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/goals",
        description=f"Replays labeled files with a class cut to {_SHARE:.0%} and the goal of a recall of {_RECALL} at "
        f"a precision of {_PRECISION} on the test set, and 30 intents of which 5 are under 1 %: by the loop, and by "
        "labeling at random.",
    )
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data", help="folder of labeled files")
    parser.add_argument("--seeds", type=int, default=5, help="replays of each (default 5)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds at most (default 20)")
    parser.add_argument("--batch", type=int, default=100, help="labels of each round (default 100)")
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "bench" / "goals", help="folder of the cache")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
