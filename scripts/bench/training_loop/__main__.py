"""`scripts/bench/training`: arguments, the run, and the report."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from scripts.bench.bars import bars
from scripts.bench.ending import ended
from scripts.bench.machine import machine
from scripts.bench.records import append, write
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from scripts.bench.training_loop.methods import METHODS
from scripts.bench.training_loop.record import Cell, read
from scripts.bench.training_loop.tables import report
from shared.errors import InvalidInputError
from workers.embedding.encoders import PACKAGED

_ROOT = Path(__file__).parents[3]
_DATA = _ROOT.parent / "shared" / "data"
_OUT = _ROOT / "build" / "bench" / "training"
_SETS = ("hwu64", "clinc150_imbalanced", "davidson_hate", "davidson_hate-1pct", "goemotions")
_SIZES = (200, 1_000, 5_000)

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Run what is missing, or report; returns the exit code."""
    given = _arguments()
    return ended(lambda: _wanted(given, given.out / "results.jsonl"), console)


def _wanted(given: argparse.Namespace, path: Path) -> int:
    if given.report:
        return _report(given, path)
    if given.timing:
        return _timing(given)
    return _run(given, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/training",
        description="Trains on labels drawn at random from labeled files, with each option of the product and with "
        "what other packages offer for uneven classes, and measures rare classes on a test set. A run that was "
        "interrupted goes on when it is started again.",
        epilog="example: scripts/bench/training --sets hwu64 --seeds 3 && scripts/bench/training --report",
    )
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of labeled files (default ../shared/data)")
    parser.add_argument("--sets", nargs="+", metavar="SET", default=_SETS, help=f"(default {' '.join(_SETS)})")
    parser.add_argument("--methods", nargs="+", metavar="NAME", default=list(METHODS), help="(default all)")
    parser.add_argument("--labels", nargs="+", type=int, metavar="N", default=_SIZES, help="(default 200 1000 5000)")
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1 (default 5)")
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder of the results (default build/bench/training)")
    parser.add_argument("--redo", action="store_true", help="forget earlier results of these cells first")
    parser.add_argument("--timing", action="store_true", help="measure the seconds of a retraining instead")
    parser.add_argument("--report", action="store_true", help="run nothing: print the tables of what is there")
    return parser.parse_args()


def _known(asked: Sequence[str], there: Sequence[str], what: str) -> list[str]:
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise InvalidInputError(f"unknown {what} {unknown[0]!r}; there are: {', '.join(there)}")
    return list(dict.fromkeys(asked))


def _sets(given: argparse.Namespace, names: Sequence[str]) -> dict[str, BenchSet]:
    there = find_sets(given.data)
    return {name: there[name] for name in _known(names, list(there), "set")}


def _report(given: argparse.Namespace, path: Path) -> int:
    wanted = {cell: record for cell, record in read(path).items() if cell.set in given.sets}
    if not wanted:
        raise InvalidInputError(f"{path}: there is nothing to report yet. Run the bench without --report first.")
    print(report(wanted))
    return 0


def _run(given: argparse.Namespace, path: Path) -> int:
    sets, methods = _sets(given, given.sets), _known(given.methods, list(METHODS), "method")
    wanted = {
        (name, seed): [
            Cell(set=name, seed=seed, labels=labels, method=method) for labels in given.labels for method in methods
        ]
        for seed in range(given.seeds)
        for name in sets
    }
    there = read(path)
    if given.redo:
        again = {cell for cells in wanted.values() for cell in cells}
        there = {cell: record for cell, record in there.items() if cell not in again}
    write(path, there.values())  # without what a killed run left of a line
    missing = {case: [cell for cell in cells if cell not in there] for case, cells in wanted.items()}
    count = sum(len(cells) for cells in missing.values())
    console.print(f"{count} of {sum(len(cells) for cells in wanted.values())} models to train")
    if not count:
        return 0
    from scripts.bench.selection_loop.prepared import prepare_set
    from scripts.bench.selection_loop.stored import stored_vectors
    from scripts.bench.training_loop.cases import run_cells

    cache, encoder = _vectors(given, sets)
    with bars(console) as progress:
        bar = progress.add_task("training", total=count)
        for (name, seed), cells in missing.items():
            if not cells:
                continue
            prepared = prepare_set(
                sets[name], seed=seed, vectors=stored_vectors(cache, encoder), folder=cache / "prepared"
            )
            progress.update(bar, description=f"training {name}, seed {seed}")
            for record in run_cells(prepared, cells, machine=_machine()):
                append(path, record)
                progress.advance(bar)
    console.print(f"results: {path}; `scripts/bench/training --report --out {given.out}` compares them")
    return 0


def _timing(given: argparse.Namespace) -> int:
    from scripts.bench.selection_loop.prepared import prepare_set
    from scripts.bench.selection_loop.stored import stored_vectors
    from scripts.bench.training_loop.timing import SET, time_retraining

    sets = _sets(given, [SET])
    cache, encoder = _vectors(given, sets)
    prepared = prepare_set(sets[SET], seed=0, vectors=stored_vectors(cache, encoder), folder=cache / "prepared")
    print(f"{_machine()}\n\n{time_retraining(prepared)}")
    return 0


def _vectors(given: argparse.Namespace, sets: dict[str, BenchSet]) -> tuple[Path, str]:
    from scripts.bench.selection_loop.stored import fill_beside_bar

    cache = (given.cache or given.out / "cache").resolve()
    return cache, fill_beside_bar(list(sets.values()), folder=cache, encoder=PACKAGED, console=console)


def _machine() -> str:
    threads = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())
    return f"{machine()}, {threads} thread(s)"


if __name__ == "__main__":
    sys.exit(main())
