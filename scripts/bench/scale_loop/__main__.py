"""`scripts/bench/scale`: arguments, the run of each size, and the table."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.bench.ending import ended
from scripts.bench.latency_loop import make_pool
from scripts.bench.machine import machine
from scripts.bench.selection_loop.markdown import number, table
from shared.database import open_database
from shared.settings import load_settings

_STEPS = "load_s", "train_s", "select_s", "store_s", "total_s", "cpu_s"
# The first round of a process loads the pool and tunes the model.
_WARM = 1

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and print."""
    given = _arguments()
    measured = [_measure(items, given) for items in given.items]
    if given.as_json:
        print(json.dumps({**_conditions(given), "sizes": measured}, indent=2))
        return 0
    print("\n".join(f"{name}: {value}" for name, value in _conditions(given).items()) + "\n")
    print(_rounds(measured) + "\n\n" + _limits(measured))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/scale",
        description="Runs rounds on made-up pools of several sizes, in one process each as a worker is, and tells what "
        "each step took, beside a plain read of the vectors, a plain NumPy pass and another tool's choice. Example: "
        "scripts/bench/scale --items 10000 100000 --rounds 6",
    )
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--labels", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=8, help="of which the first is the start of a worker")
    parser.add_argument("--pools", type=Path, help="folder in which pools are kept for the next run")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the figures as JSON")
    return parser.parse_args()


def _measure(items: int, given: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="quietcorner-bench-") as scratch:
        pool = (given.pools or Path(scratch)) / f"{items}-{given.classes}-{given.labels}-{given.batch}"
        if not pool.exists():
            _make(pool, items, given)
        run = Path(scratch) / "run"
        shutil.copytree(pool, run)
        console.print(f"{items:,} items: {given.rounds} rounds")
        command = [sys.executable, "-m", "scripts.bench.scale_loop.measured", str(run), "--rounds", str(given.rounds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
    return found


def _make(pool: Path, items: int, given: argparse.Namespace) -> None:
    unfinished = pool.with_name(pool.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    database = open_database(load_settings().model_copy(update={"data_dir": unfinished, "redis_url": None}))
    make_pool(database, items=items, classes=given.classes, labels=given.labels, batch=given.batch, seed=0)
    database.close()
    unfinished.replace(pool)


def _conditions(given: argparse.Namespace) -> dict[str, str]:
    sizes = " ".join(str(items) for items in given.items)
    return {
        "command": f"scripts/bench/scale --items {sizes} --classes {given.classes} --labels {given.labels} "
        f"--batch {given.batch} --rounds {given.rounds}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{machine()}, load {os.getloadavg()[2]:.1f} over 15 minutes",
    }


def _rounds(measured: Sequence[dict[str, Any]]) -> str:
    """Medians of the rounds of a warm worker, and what its first one took."""
    head = ["items", *(name.removesuffix("_s") for name in _STEPS), "first round", "own MiB", "with maps MiB"]
    rows = []
    for one in measured:
        warm = one["rounds"][_WARM:]
        medians = [number(statistics.median(entry[step] for entry in warm), 2) for step in _STEPS]
        memory = [number(one[name], 0) for name in ("own_mib", "all_mib")]
        rows.append([number(one["items"], 0), *medians, number(one["rounds"][0]["total_s"], 1), *memory])
    return table(head, rows)


def _limits(measured: Sequence[dict[str, Any]]) -> str:
    names = {
        "read_s": "plain read",
        "numpy_s": "plain NumPy",
        "scored_s": "scores",
        "skactiveml_s": "scikit-activeml",
    }
    rows = [[number(one["items"], 0), *(number(one["limits"].get(name), 3) for name in names)] for one in measured]
    return table(["items", *names.values()], rows)


if __name__ == "__main__":
    sys.exit(ended(main, console))
