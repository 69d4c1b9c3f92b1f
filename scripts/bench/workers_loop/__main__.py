"""`scripts/bench/workers`: arguments, the workers that help, and the tables."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.bench.ending import ended
from scripts.bench.latency_loop import make_pool
from scripts.bench.machine import machine
from scripts.bench.selection_loop.markdown import number, table
from shared.database import open_database
from shared.settings import Settings, load_settings
from workers.app import EMBEDDING, TRAINING
from workers.supervisor import redis_server
from workers.supervisor.command import Command
from workers.supervisor.plan import environment
from workers.supervisor.processes import Children

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and print."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="quietcorner-bench-") as scratch:
        settings = load_settings().model_copy(
            update={"data_dir": Path(scratch), "redis_url": None, "compute_threads": 1, "shared_items": 1}
        )
        database = open_database(settings)
        if given.items:
            make_pool(database, items=given.items, classes=20, labels=2_000, batch=100, seed=0)
        database.close()
        report = {**_conditions(given), "measured": _measure(settings, given)}
    print(json.dumps(report, indent=2) if given.as_json else _tables(report))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/workers",
        description="Lets one worker hold the work and others help it, as many as are said, in turn, and tells what "
        "sharing brings. Example: scripts/bench/workers --texts 2048 --items 1000000 --rounds 3",
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--texts", type=int, default=4_096, help="to encode; 0: none")
    parser.add_argument("--items", type=int, default=1_000_000, help="to score; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the figures as JSON")
    return parser.parse_args()


def _measure(settings: Settings, given: argparse.Namespace) -> dict[str, Any]:
    """Start Redis and the workers that help, and run the holder beside them."""
    variables = {**environment(settings), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with Children(settings.folder / "logs", tell=console.print) as children:
        children.start(Command(redis_server.NAME, redis_server.prepare(settings), serves_others=True))
        redis_server.wait_until_ready(settings, is_alive=lambda: children.pid(redis_server.NAME) is not None)
        arguments = sys.executable, "-m", "workers.cli", "worker", "--queues", f"{EMBEDDING},{TRAINING}"
        for place in range(1, max(given.workers)):
            children.start(Command(f"helper-{place}", arguments, variables))
        command = [sys.executable, "-m", "scripts.bench.workers_loop.measured", "--rounds", str(given.rounds)]
        command += ["--workers", *map(str, given.workers), "--texts", str(given.texts), "--items", str(given.items)]
        done = subprocess.run(command, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE, text=True)
        children.end()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _conditions(given: argparse.Namespace) -> dict[str, str]:
    workers = " ".join(map(str, given.workers))
    return {
        "command": f"scripts/bench/workers --workers {workers} --texts {given.texts} --items {given.items} "
        f"--rounds {given.rounds}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{machine()}, load {os.getloadavg()[2]:.1f} over 15 minutes",
    }


def _tables(report: Mapping[str, Any]) -> str:
    told = [f"{name}: {value}" for name, value in report.items() if name != "measured"]
    for what, unit in (("encoding", "texts a second"), ("scoring", "items a second")):
        if what in report["measured"]:
            told += ["", what, "", _table(report["measured"][what], unit)]
    return "\n".join(told)


def _table(runs: Sequence[Mapping[str, Any]], unit: str) -> str:
    """Medians of the rounds; ratios are those within a round, to the run that shared nothing."""
    head = ["workers", unit, "times as many", "parts by others", "the holder's own seconds of the processor", "equal"]
    rows = []
    for name in dict.fromkeys(run["workers"] for run in runs):
        own = [run for run in runs if run["workers"] == name]
        alone = [run for run in runs if run["workers"] == runs[0]["workers"]]
        ratios = [one["clock_s"] / other["clock_s"] for one, other in zip(alone, own, strict=True)]
        spread = f"{number(statistics.median(ratios), 2)} ({number(min(ratios), 2)} to {number(max(ratios), 2)})"
        pace = number(statistics.median(run["count"] / run["clock_s"] for run in own), 1)
        others = _by_others(own)
        cpu_s = number(statistics.median(run["cpu_s"] for run in own), 2)
        equal = "yes" if {run["digest"] for run in own} == {runs[0]["digest"]} else "no"
        rows.append([str(name), pace, spread, others, cpu_s, equal])
    return table(head, rows)


def _by_others(runs: Sequence[Mapping[str, Any]]) -> str:
    """Parts that others did, of all."""
    return f"{sum(run['by_others'] for run in runs)} of {sum(run['parts'] for run in runs)}"


if __name__ == "__main__":
    sys.exit(ended(main, console))
