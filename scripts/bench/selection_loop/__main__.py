"""`scripts/bench/selection`: arguments, the run, and the report."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.progress import Progress

from scripts.bench.bars import bars
from scripts.bench.selection_loop.record import ALL_LABELS, Cell, Condition, Record
from scripts.bench.selection_loop.report import write_report
from scripts.bench.selection_loop.results import Results
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from scripts.bench.selection_loop.work import Failed, Place, plan_jobs, run_jobs
from scripts.bench.selection_peers.registry import LEFT_OUT, PEERS
from shared.errors import InvalidInputError, QuietCornerError
from workers.embedding.encoders import PACKAGED
from workers.selection.strategies import STRATEGIES

_ROOT = Path(__file__).parents[3]
_DATA = _ROOT.parent / "shared" / "data"
_OUT = _ROOT / "build" / "bench" / "selection"
_WITHOUT = "without"

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Run what is missing, or report; returns the exit code."""
    given = _arguments()
    results = Results(given.out / "results.jsonl")
    signal.signal(signal.SIGTERM, _end)
    try:
        if given.report:
            print(write_report(_wanted(given, results.read()), given.out / "report.md"))
            return 0
        sets = _chosen_sets(given)
        return _run(given, sets, results)
    except (QuietCornerError, RuntimeError) as error:
        console.print(f"error: {error}", markup=False, soft_wrap=True)
        return error.exit_code if isinstance(error, QuietCornerError) else 1
    except KeyboardInterrupt:
        console.print("Stopped. What is done is kept: the same command goes on.")
        return 130


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one would break off the tidying up
    raise KeyboardInterrupt


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/selection",
        description="Replays labeled files with the core of the workers and compares strategies: the product's own and "
        "published ones, on the same vectors, the same model, the same seeds and the same budget. A run that was "
        "interrupted goes on when it is started again.",
    )
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of labeled files (default ../shared/data)")
    parser.add_argument("--sets", nargs="+", metavar="SET", help="which sets, to run or to report (default all)")
    parser.add_argument(
        "--strategies",
        nargs="+",
        metavar="NAME",
        help=f"which strategies, to run or to report (default all); {_WITHOUT}: the product less each of its channels",
    )
    parser.add_argument("--seeds", type=_positive, default=10, help="seeds 0 to N-1 (default 10)")
    parser.add_argument("--init", type=_positive, default=100, help="labels of the first round (default 100)")
    parser.add_argument("--batch", type=_positive, default=50, help="labels of each later round (default 50)")
    parser.add_argument("--rounds", type=_positive, default=19, help="rounds, the first included (default 19)")
    parser.add_argument("--noise", type=_share, default=0.0, help="share of wrong labels, as in 0.1 (default 0)")
    parser.add_argument("--caps", action="store_true", help="cap classes and sources")
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache); simulate can share it")
    parser.add_argument("--encoder", default=PACKAGED, help="sentence encoder: a name or a folder")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder of the results (default build/bench/selection)")
    parser.add_argument("--jobs", type=_positive, default=2, help="replays at a time (default 2)")
    parser.add_argument("--redo", action="store_true", help="forget earlier results of these cells first")
    parser.add_argument(
        "--report",
        action="store_true",
        help="run nothing: print the tables of what is there, and write OUT/report.md",
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: a number of 1 or more is expected")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: a share from 0 to 1 is expected")
    return share


def _chosen_sets(given: argparse.Namespace) -> dict[str, BenchSet]:
    sets = find_sets(given.data)
    return {name: sets[name] for name in _known(given.sets or list(sets), list(sets), "set")}


def _chosen_strategies(given: argparse.Namespace) -> list[str]:
    usual = [*(name for name in STRATEGIES if name not in LEFT_OUT), *PEERS, ALL_LABELS]
    return _known(_named(given) or usual, [*dict.fromkeys(usual), *LEFT_OUT], "strategy")


def _named(given: argparse.Namespace) -> list[str]:
    """The strategies that were named, `without` written out."""
    return [name for entry in given.strategies or [] for name in (LEFT_OUT if entry == _WITHOUT else [entry])]


def _known(asked: Sequence[str], there: Sequence[str], what: str) -> list[str]:
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise InvalidInputError(f"unknown {what} {unknown[0]!r}; there are: {', '.join(there)}")
    return list(dict.fromkeys(asked))


def _wanted(given: argparse.Namespace, records: dict[Cell, Record]) -> dict[Cell, Record]:
    """The records of the sets and strategies that were named; all when none was."""
    strategies = _named(given)
    return {
        cell: record
        for cell, record in records.items()
        if cell.set in (given.sets or [cell.set]) and (not strategies or cell.strategy in (*strategies, ALL_LABELS))
    }


def _run(given: argparse.Namespace, sets: dict[str, BenchSet], results: Results) -> int:
    condition = Condition(init=given.init, batch=given.batch, rounds=given.rounds, noise=given.noise, caps=given.caps)
    wanted = [
        Cell(set=name, strategy=strategy, seed=seed, condition=condition)
        for seed in range(given.seeds)
        for name in sets
        for strategy in _chosen_strategies(given)
    ]
    if given.redo:
        console.print(f"{results.forget(wanted)} earlier results forgotten")
    there = results.read()
    missing = [cell for cell in wanted if cell not in there]
    console.print(f"{len(wanted) - len(missing)} of {len(wanted)} replays are there; {len(missing)} to run")
    if not missing:
        return 0
    failures: list[Failed] = []
    with bars(console) as progress:
        place = _place(given, [sets[name] for name in dict.fromkeys(cell.set for cell in missing)], progress)
        bar = progress.add_task("replaying", total=len(missing))
        for outcome in run_jobs(plan_jobs(missing, sets), place, processes=given.jobs):
            if isinstance(outcome, Failed):
                failures.append(outcome)
                progress.console.print(_in_words(outcome), markup=False, soft_wrap=True)
            else:
                results.append(outcome)
            progress.advance(bar)
    console.print(f"results: {results.path}; `scripts/bench/selection --report --out {given.out}` compares them")
    return 1 if failures else 0


def _place(given: argparse.Namespace, sets: Sequence[BenchSet], progress: Progress) -> Place:
    from scripts.bench.selection_loop.cases import this_machine
    from scripts.bench.selection_loop.stored import fill_cache

    bar = progress.add_task("embedding", total=None)

    def advance(name: str, done: int, of: int) -> None:
        progress.update(bar, description=f"embedding {name}", completed=done, total=of)

    cache = (given.cache or given.out / "cache").resolve()
    encoder = fill_cache(sets, folder=cache, encoder=given.encoder, advance=advance)
    progress.remove_task(bar)
    return Place(cache, encoder, this_machine(jobs=given.jobs))


def _in_words(failed: Failed) -> str:
    return f"failed: {failed.cell.set}, {failed.cell.strategy}, seed {failed.cell.seed}: {failed.reason}"


if __name__ == "__main__":
    sys.exit(main())
