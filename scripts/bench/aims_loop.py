"""`scripts/bench/aims`: recall, precision and cost on a test set, with and without goals and error costs.

Rounds of the product choose the labels, once for all; on the same labels a model is then trained for each aim.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from scripts.bench.selection_loop.markdown import number, table
from scripts.bench.selection_loop.prepared import Prepared, prepare_set
from scripts.bench.selection_loop.sets import find_sets
from scripts.bench.selection_loop.stored import fill_cache, stored_vectors
from shared.errors import InvalidInputError, QuietCornerError
from shared.pool import Index
from shared.project import ProjectConfig, Task
from workers.embedding.encoders import PACKAGED
from workers.simulation.replay import replay
from workers.training import classifier
from workers.training.error_costs import cost_matrix, mean_cost
from workers.training.metrics import evaluate
from workers.training.tuning import train

_ROOT = Path(__file__).parents[2]
# A hard class, an easy one, and one of several that an item may have.
_CLASSES = {"davidson_hate": "hate_speech", "sms_spam": "spam", "goemotions": "anger"}
_GOALS: Mapping[str, Mapping[str, float]] = {
    "recall 0.85": {"recall": 0.85},
    "precision 0.6": {"precision": 0.6},
    "recall 0.6, precision 0.3": {"recall": 0.6, "precision": 0.3},
}
_SIZES = (200, 500, 1_000)
_BATCH = 100
# Of missing the class, against 1 for any other error.
_COST = 10.0

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Quality:
    """What one aim makes of the class and of all classes on the test set."""

    labels_of_class: int
    recall: float
    precision: float
    macro_f1: float
    cost: float


def aims(task: Task, classes: tuple[str, ...], name: str) -> dict[str, dict[str, Any]]:
    """Options of a project file by what they are called here: none, goals, costs, and error costs where they apply."""
    found: dict[str, dict[str, Any]] = {"none": {}}
    found |= {words: {"goals": {name: goal}} for words, goal in _GOALS.items()}
    found[f"costs {_COST:g}"] = {"costs": {name: _COST}}
    if task is Task.SINGLE:
        found[f"error_costs {_COST:g}"] = {"error_costs": {name: {other: _COST for other in classes if other != name}}}
    return found


def measure(prepared: Prepared, order: Index, *, name: str, seed: int) -> Iterator[tuple[str, int, Quality]]:
    """Each aim's quality for a class, with the first labels of an order of positions."""
    data = prepared.data
    pool, test, column = data.pool, data.test, data.pool.classes.index(name)
    base = {"task": prepared.task, "classes": pool.classes, "seed": seed}
    exclusive = prepared.task is Task.SINGLE
    costs = cost_matrix(ProjectConfig.model_validate(base | {"costs": {name: _COST}}))
    for labels in _SIZES:
        is_labeled = np.isin(np.arange(len(pool)), order[:labels])
        labeled = replace(pool, labeled=is_labeled, targets=data.truth & is_labeled[:, None])
        for words, options in aims(prepared.task, pool.classes, name).items():
            model = train(labeled, ProjectConfig.model_validate(base | options))
            if model is None:
                continue
            probability = classifier.probabilities(model, pool.features, test.rows)
            decided = classifier.decide(model, probability)
            found = evaluate(test.targets, decided, probability, classes=pool.classes)
            of_class = found.per_class[name]
            cost = mean_cost(test.targets, decided, np.ones(len(decided)), costs, exclusive=exclusive)
            yield (
                words,
                labels,
                Quality(
                    int(labeled.targets[:, column].sum()),
                    of_class.recall or 0.0,
                    of_class.precision or 0.0,
                    found.macro_f1,
                    cost,
                ),
            )


def chosen_by_rounds(prepared: Prepared, *, seed: int) -> Index:
    """Positions in the order in which rounds of the product ask for them."""
    pool = prepared.data.pool
    place = {item_id: position for position, item_id in enumerate(pool.item_ids)}
    config = ProjectConfig.model_validate(
        {"task": prepared.task, "classes": pool.classes, "seed": seed, "selection": {"batch_size": _BATCH}}
    )
    rounds = replay(
        prepared.data,
        config,
        strategy="quietcorner",
        encoder="",
        init=_BATCH,
        rounds=max(_SIZES) // _BATCH,
        rare=(),
        clock=time.perf_counter,
    )
    return np.array([place[item.item_id] for found in rounds for item in found.selected], dtype=np.int64)


def report(found: Mapping[tuple[str, str, int], list[Quality]]) -> str:
    """Means over the seeds, by set, aim and number of labels."""
    rows = []
    for (name, aim, labels), seeds in found.items():
        recalls = [one.recall for one in seeds]
        means = [float(np.mean([getattr(one, field) for one in seeds])) for field in ("precision", "macro_f1", "cost")]
        rows.append(
            [
                f"{name}, {aim}",
                f"{labels:,}",
                number(float(np.mean([one.labels_of_class for one in seeds])), 0),
                f"{np.mean(recalls):.3f} ({min(recalls):.3f} to {max(recalls):.3f})",
                *(number(mean, 3) for mean in means),
            ]
        )
    return table(["aim", "labels", "of the class", "recall (seeds)", "precision", "macro-F1", "cost"], rows)


def main() -> int:
    """Measure and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench/aims", description=__doc__)
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data", help="folder of labeled files")
    parser.add_argument("--sets", nargs="+", choices=_CLASSES, default=list(_CLASSES), help="which (default all)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 (default 3)")
    parser.add_argument(
        "--cache", type=Path, default=_ROOT / "build" / "bench" / "aims" / "cache", help="folder of the vectors"
    )
    given = parser.parse_args()
    try:
        print(report(_measure_all(given)))
    except QuietCornerError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    return 0


def _measure_all(given: argparse.Namespace) -> dict[tuple[str, str, int], list[Quality]]:
    sets, cache = find_sets(given.data), given.cache.resolve()
    if missing := [name for name in given.sets if name not in sets]:
        raise InvalidInputError(f"{given.data}: {missing[0]} is not there; there are: {', '.join(sets)}")
    encoder = fill_cache([sets[name] for name in given.sets], folder=cache, encoder=PACKAGED, advance=_tell)
    found: dict[tuple[str, str, int], list[Quality]] = defaultdict(list)
    for name in given.sets:
        for seed in range(given.seeds):
            vectors = stored_vectors(cache, encoder)
            prepared = prepare_set(sets[name], seed=seed, vectors=vectors, folder=cache / "prepared")
            order = chosen_by_rounds(prepared, seed=seed)
            for aim, labels, quality in measure(prepared, order, name=_CLASSES[name], seed=seed):
                found[name, aim, labels].append(quality)
            console.print(f"{name}, seed {seed}: measured")
    return found


def _tell(name: str, done: int, of: int) -> None:
    console.print(f"embedding {name}: {done:,} of {of:,}")


if __name__ == "__main__":
    sys.exit(main())
