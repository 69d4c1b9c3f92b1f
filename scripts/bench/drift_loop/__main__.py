"""`scripts/bench/drift`: arguments, the run, and the report."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

from rich.console import Console
from threadpoolctl import threadpool_limits

from scripts.bench.bars import bars
from scripts.bench.drift_loop.cases import CASES, MADE_UP, Case, make_stream
from scripts.bench.drift_loop.dated import Times
from scripts.bench.drift_loop.packages import DEAR, Outside
from scripts.bench.drift_loop.packages import DETECTORS as OTHERS
from scripts.bench.drift_loop.record import Cell, read
from scripts.bench.drift_loop.run import DETECTORS, cells_of, show
from scripts.bench.drift_loop.streams import Items
from scripts.bench.drift_loop.tables import report
from scripts.bench.ending import ended
from scripts.bench.machine import machine
from scripts.bench.records import append, write
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from shared.errors import InvalidInputError
from workers.embedding.encoders import PACKAGED

_ROOT = Path(__file__).parents[3]
_DATA = _ROOT.parent / "shared" / "data"
_OUT = _ROOT / "build" / "bench" / "drift"
_SETS = tuple(dict.fromkeys(case.set for case in CASES))

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Run what is missing, or report; returns the exit code."""
    given = _arguments()
    return ended(lambda: _wanted(given, given.out / "results.jsonl"), console)


def _wanted(given: argparse.Namespace, path: Path) -> int:
    if given.report and not given.replay:
        return _report(given, path)
    if given.pools:
        from scripts.bench.drift_loop.pool_size import time_pools

        with threadpool_limits(1):
            print(f"{_machine()}\n\n{time_pools(given.pools)}")
        return 0
    if given.timing:
        from scripts.bench.drift_loop.timing import time_a_window

        with threadpool_limits(1):
            print(f"{_machine()}\n\n{time_a_window(given.peers_python)}")
        return 0
    if given.replay:
        return _replay(given)
    return _run(given, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/drift",
        description="Shows streams whose truth is known to the drift watch and to other detectors, and measures false "
        "alarms, what is found in which window, and time. A run that was interrupted goes on when it is started again.",
        epilog="example: scripts/bench/drift --sets hwu64 --seeds 5-9 && scripts/bench/drift --report",
    )
    parser.add_argument("--data", type=Path, default=_DATA, help="folder of labeled files (default ../shared/data)")
    parser.add_argument("--sets", nargs="+", metavar="SET", default=_SETS, help=f"(default {' '.join(_SETS)})")
    parser.add_argument("--changes", nargs="+", metavar="NAME", help="which changes, as the report names them")
    parser.add_argument(
        "--detectors",
        nargs="+",
        metavar="NAME",
        help="(default all that are there, less alibi-detect MMD, which takes many seconds a window)",
    )
    parser.add_argument(
        "--peers-python",
        type=Path,
        metavar="PYTHON",
        help="a Python that has the packages of peers.txt (see docs/drift.md)",
    )
    parser.add_argument(
        "--seeds", type=_range, default=range(5, 25), help="as in 5-24, the default; constants were chosen on 0 to 4"
    )
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument("--out", type=Path, default=_OUT, help="folder of the results (default build/bench/drift)")
    parser.add_argument("--redo", action="store_true", help="forget earlier results of these cells first")
    parser.add_argument("--timing", action="store_true", help="measure time and memory of a window instead")
    parser.add_argument(
        "--pools", type=int, nargs="+", metavar="N", help="measure the time of a window in pools of N items instead"
    )
    parser.add_argument(
        "--replay",
        action="store_true",
        help="tell stories of a new kind of a rare class instead, with the watch and without it",
    )
    parser.add_argument("--batch", type=int, default=50, help="labels of each round of a story (default 50)")
    parser.add_argument("--report", action="store_true", help="run nothing: print the tables of what is there")
    return parser.parse_args()


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a seed or two with - between them are expected")
    return range(int(first), int(last or first) + 1)


def _known(asked: Sequence[str], there: Sequence[str], what: str) -> list[str]:
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise InvalidInputError(f"unknown {what} {unknown[0]!r}; there are: {', '.join(there)}")
    return list(dict.fromkeys(asked))


def _report(given: argparse.Namespace, path: Path) -> int:
    wanted = [record for cell, record in read(path).items() if cell.set in given.sets and cell.seed in given.seeds]
    if not wanted:
        raise InvalidInputError(f"{path}: there is nothing to report yet. Run the bench without --report first.")
    print(report(wanted))
    return 0


def _run(given: argparse.Namespace, path: Path) -> int:
    names = _known(given.sets, _SETS, "set")
    changes = _known(given.changes or [], list(dict.fromkeys(case.name for case in CASES)), "change")
    cases = [case for case in CASES if case.set in names and (not changes or case.name in changes)]
    usual = [*DETECTORS, *(name for name in OTHERS if given.peers_python and name not in DEAR)]
    detectors = _known(given.detectors or usual, [*DETECTORS, *OTHERS], "detector")
    wanted = cells_of(cases, given.seeds, detectors)
    there = read(path)
    if given.redo:
        again = set(wanted)
        there = {cell: record for cell, record in there.items() if cell not in again}
    write(path, there.values())  # without what a killed run left of a line
    missing = [cell for cell in wanted if cell not in there]
    console.print(f"{len(wanted) - len(missing)} of {len(wanted)} streams are there; {len(missing)} to watch")
    if not missing:
        return 0
    sets = find_sets(given.data)
    chosen = {name: sets[name] for name in _known([n for n in names if n != MADE_UP], list(sets), "set")}
    cache, encoder = _vectors(given, chosen)
    # Set after set, so that a file is read once.
    missing.sort(key=lambda cell: names.index(cell.set))
    with ExitStack() as held:
        held.enter_context(threadpool_limits(1))
        outside = held.enter_context(Outside(given.peers_python)) if given.peers_python else None
        _note_packages(outside, detectors)
        progress = held.enter_context(bars(console))
        bar = progress.add_task("watching", total=len(missing))
        for (name, change, share, seed), cells in groupby(missing, key=_stream_of):
            progress.update(bar, description=f"watching {name}, {Case(name, change, share).name}, seed {seed}")
            items, times = _items(chosen.get(name), cache, encoder)
            stream = make_stream(Case(name, change, share), items, seed=seed, times=times)
            for record in show(stream, list(cells), machine=_machine(), outside=outside):
                append(path, record)
                progress.advance(bar)
    console.print(f"results: {path}; `scripts/bench/drift --report --out {given.out}` compares them")
    return 0


def _note_packages(outside: Outside | None, detectors: Sequence[str]) -> None:
    """Say which packages answer, and which detectors are left out."""
    if outside is not None:
        console.print("packages: " + ", ".join(f"{name} {version}" for name, version in outside.versions.items()))
    there = [*DETECTORS, *(outside.detectors if outside else ())]
    missing = [name for name in detectors if name not in there]
    if missing or outside is None:
        console.print(
            f"left out, as their packages are not there: {', '.join(missing) or 'alibi-detect, Evidently'}; "
            "docs/drift.md says how to install them, and --peers-python where they are",
            markup=False,
            soft_wrap=True,
        )


def _stream_of(cell: Cell) -> tuple[str, str, float, int]:
    return cell.set, cell.change, cell.share, cell.seed


def _items(bench_set: BenchSet | None, cache: Path, encoder: str) -> tuple[Items | None, Times | None]:
    from scripts.bench.drift_loop.corpora import read_corpus

    return (None, None) if bench_set is None else read_corpus(bench_set, cache=cache, encoder=encoder)


def _replay(given: argparse.Namespace) -> int:
    """Tell the stories that are missing, and print the table of all."""
    from scripts.bench.drift_loop.corpora import read_corpus
    from scripts.bench.drift_loop.stories import KINSHIPS, SET, Told, append_told, read_told, story_table
    from scripts.bench.drift_loop.story import make_story, tell

    path = given.out / "stories.jsonl"
    there = read_told(path)
    wanted = [(kinship, seed, on) for seed in given.seeds for kinship in KINSHIPS for on in (True, False)]
    missing = [key for key in wanted if (*key, given.batch) not in there or given.redo]
    if missing and not given.report:
        sets = {SET: find_sets(given.data)[SET]}
        cache, encoder = _vectors(given, sets)
        with threadpool_limits(1), bars(console) as progress:
            bar = progress.add_task("telling", total=len(missing))
            for kinship, seed, on in missing:
                corpus = read_corpus(sets[SET], cache=cache, encoder=encoder)[0]
                ending = tell(make_story(corpus, kinship=kinship, seed=seed), watched=on, batch=given.batch, seed=seed)
                append_told(
                    path, Told.of(ending, kinship, seed=seed, watched=on, batch=given.batch, machine=_machine())
                )
                progress.advance(bar)
    print(story_table([told for told in read_told(path).values() if told.batch == given.batch]))
    return 0


def _vectors(given: argparse.Namespace, sets: dict[str, BenchSet]) -> tuple[Path, str]:
    from scripts.bench.selection_loop.stored import fill_beside_bar

    cache = (given.cache or given.out / "cache").resolve()
    if not sets:
        return cache, ""
    return cache, fill_beside_bar(list(sets.values()), folder=cache, encoder=PACKAGED, console=console)


def _machine() -> str:
    return f"{machine()}, 1 thread"


if __name__ == "__main__":
    sys.exit(main())
