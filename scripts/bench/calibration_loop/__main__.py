"""`scripts/bench/calibration`: probabilities of several ways of calibration, held against the labels of a test set.

Labels are drawn at random, or chosen by rounds of the product. A model is cross-fitted on them, each way is fitted to
the held-out scores, and the probabilities that it gives the file's test set are held against the labels there.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from scripts.bench.calibration_loop.ways import WAYS, HeldOut, mean_log_loss
from scripts.bench.selection_loop.intervals import paired_difference
from scripts.bench.selection_loop.markdown import gap, number, table
from scripts.bench.selection_loop.prepared import Prepared, prepare_set
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from scripts.bench.selection_loop.stored import fill_cache, stored_vectors
from shared.errors import QuietCornerError
from shared.pool import Index, Mask
from shared.project import ProjectConfig, Task
from workers.embedding.encoders import PACKAGED
from workers.simulation.replay import replay
from workers.training import fitting, solver
from workers.training.calibration import Doubles
from workers.training.decision import best_offsets, decide
from workers.training.fitting import Sample
from workers.training.metrics import evaluate
from workers.training.selection_bias import selection_weights, standing_on_axes
from workers.training.splits import spread

_ROOT = Path(__file__).parents[3]
_SETS, _SIZES = ("davidson_hate", "hwu64", "goemotions"), (200, 1_000, 5_000)
_MEASURES = {"log_loss": "log loss", "ece": "calibration error", "macro_f1": "macro-F1"}
_BATCH = 200
_FOLDS = 5
_STRENGTH = 3.0
_BINS = 15
_POOL_SAMPLE = 4_000

console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Measured:
    """What one way is worth: on one set, as one seed sees it, with labels that were chosen in one way."""

    set: str
    seed: int
    chosen_by: str
    labels: int
    way: str
    log_loss: float
    ece: float
    macro_f1: float


def main() -> int:
    """Measure what is missing and print the tables; returns the exit code."""
    given = _arguments()
    results = given.out / "results.jsonl"
    found = [Measured(**json.loads(line)) for line in results.read_text().splitlines()] if results.exists() else []
    there = {(one.set, one.seed) for one in found}
    try:
        sets = find_sets(given.data)
    except QuietCornerError as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code
    if unknown := [name for name in given.sets if name not in sets]:
        console.print(f"error: unknown set {unknown[0]!r}; there are: {', '.join(sets)}", markup=False, soft_wrap=True)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    cache = (given.cache or given.out / "cache").resolve()
    encoder = fill_cache([sets[name] for name in given.sets], folder=cache, encoder=PACKAGED, advance=_tell)
    for seed in range(given.seeds):
        for name in given.sets:
            if (name, seed) not in there:
                new = list(_measure_set(sets[name], seed, cache, encoder))
                with results.open("a") as stream:
                    stream.writelines(json.dumps(asdict(one)) + "\n" for one in new)
                found += new
                console.print(f"{name}, seed {seed}: measured")
    print(report([one for one in found if one.set in given.sets and one.seed < given.seeds]))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/calibration",
        description="Compares ways of calibration by their probabilities for a test set. A run that was interrupted "
        "goes on when it is started again.",
    )
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data", help="folder of labeled files")
    parser.add_argument("--sets", nargs="+", metavar="SET", default=list(_SETS), help=f"which (default {_SETS})")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1 (default 3)")
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument(
        "--out",
        type=Path,
        default=_ROOT / "build" / "bench" / "calibration",
        help="folder of the results (default build/bench/calibration)",
    )
    return parser.parse_args()


def _tell(name: str, done: int, of: int) -> None:
    console.print(f"embedding {name}: {done:,} of {of:,}")


def _measure_set(bench_set: BenchSet, seed: int, cache: Path, encoder: str) -> Iterator[Measured]:
    prepared = prepare_set(bench_set, seed=seed, vectors=stored_vectors(cache, encoder), folder=cache / "prepared")
    config = ProjectConfig.model_validate(
        {
            "task": prepared.task,
            "classes": prepared.data.pool.classes,
            "seed": seed,
            "selection": {"batch_size": _BATCH},
        }
    )
    for chosen_by, order in _orders(prepared, config).items():
        for labels in _SIZES:
            if len(order) >= labels:
                for way, measures in _measure(prepared, np.sort(order[:labels]), config):
                    yield Measured(bench_set.name, seed, chosen_by, labels, way, *(round(one, 5) for one in measures))


def _orders(prepared: Prepared, config: ProjectConfig) -> dict[str, Index]:
    """Positions in the order in which they are labeled."""
    pool = prepared.data.pool
    place = {item_id: position for position, item_id in enumerate(pool.item_ids)}
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
    by_rounds = [place[item.item_id] for found in rounds for item in found.selected]
    by_chance = np.random.default_rng(np.random.SeedSequence([config.seed, 2])).permutation(pool.eligible)
    return {"chance": by_chance, "rounds": np.array(by_rounds, dtype=np.int64)}


def _measure(
    prepared: Prepared, rows: Index, config: ProjectConfig
) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Each way's log loss, calibration error and macro-F1 on the test set, when it is fitted to some labeled rows."""
    data, exclusive = prepared.data, config.task is Task.SINGLE
    pool, test = data.pool, data.test
    sample = fitting.gather(
        pool.vectors(rows),
        data.truth[rows],
        weights=selection_weights(pool, rows, standing=standing_on_axes(pool, seed=config.seed)),
        classes=pool.classes,
        exclusive=exclusive,
        costs={},
    )
    held = _hold_out(sample, pool.families[rows], seed=config.seed)
    everything = np.arange(len(rows))
    prior = fitting.unweighted(sample, everything)
    weights, bias = solver.turn_back(sample.axes, fitting.fit(sample, everything, strength=_STRENGTH))
    sampled = np.random.default_rng(config.seed).permutation(len(pool))[:_POOL_SAMPLE]
    asked = pool.matrix[test.rows].astype(np.float32) @ weights.T + bias
    beside = pool.vectors(sampled) @ weights.T + bias
    for name, way in WAYS.items():
        if name == "temperature" and not exclusive:
            continue
        apply = way(held)
        probability = apply(asked, prior)
        offsets = best_offsets(_odds(apply(beside, prior), exclusive=exclusive), exclusive=exclusive)
        decided = decide(_odds(probability, exclusive=exclusive) + offsets, exclusive=exclusive)
        quality = evaluate(test.targets, decided, probability.astype(np.float32), classes=pool.classes)
        loss = mean_log_loss(probability, test.targets, exclusive=exclusive)
        yield name, (loss, _calibration_error(probability, test.targets), quality.macro_f1)


def _hold_out(sample: Sample, families: Index, *, seed: int) -> HeldOut:
    nowhere = np.zeros(len(families), dtype=np.int64)
    fold = spread(sample.targets, families, nowhere, count=_FOLDS, seed=seed)
    scores = np.zeros(sample.targets.shape, dtype=np.float32)
    known, prior = np.zeros(scores.shape, dtype=bool), np.zeros(scores.shape)
    for part in np.unique(fold):
        inside, outside = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
        known[inside] = fitting.learnable(sample.targets[outside])
        prior[inside] = fitting.unweighted(sample, outside)
        scores[inside] = solver.scores(sample.axes, inside, fitting.fit(sample, outside, strength=_STRENGTH))
    return HeldOut(scores, sample.targets, known, prior, families, sample.exclusive)


def _odds(probability: Doubles, *, exclusive: bool) -> Doubles:
    kept = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(kept) if exclusive else np.log(kept) - np.log1p(-kept))


def _calibration_error(probability: Doubles, targets: Mask) -> float:
    """Mean over the classes of the expected calibration error, in bins of equal mass (Kull et al. 2019: classwise)."""
    errors = []
    for said, true in zip(probability.T, targets.T, strict=True):
        parts = np.array_split(np.argsort(said, kind="stable"), _BINS)
        errors.append(sum(abs(float((said[part] - true[part]).sum())) for part in parts) / len(said))
    return float(np.mean(errors))


def report(found: Sequence[Measured]) -> str:
    """For each measure a table: vector scaling by set, choice of labels and size, and the others' difference to it."""
    keys = list(dict.fromkeys((one.set, one.chosen_by, one.labels) for one in found))
    ways = [name for name in WAYS if name != "vector"]
    tables = []
    for measure, words in _MEASURES.items():
        rows = []
        for key in keys:
            cells = [one for one in found if (one.set, one.chosen_by, one.labels) == key]
            base = {one.seed: getattr(one, measure) for one in cells if one.way == "vector"}
            gaps = [[getattr(one, measure) - base[one.seed] for one in cells if one.way == way] for way in ways]
            rows.append(
                [
                    key[0],
                    key[1],
                    f"{key[2]:,}",
                    number(float(np.mean(list(base.values()))), 3),
                    *(gap(paired_difference([pairs]), 3) for pairs in gaps),
                ]
            )
        tables.append(table(["set", "labels by", "labels", f"{words}, vector", *ways], rows))
    return "\n\n".join(tables)


if __name__ == "__main__":
    sys.exit(main())
