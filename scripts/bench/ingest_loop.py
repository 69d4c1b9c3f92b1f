"""`scripts/bench/ingest`: rows a second that `quietcorner ingest` brings in, from each kind of file in turn.

Each run is the command as a person types it, in a process of its own, into a new project of an empty database: SQLite
in a temporary folder, or what DATABASE_URL names.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from rich.console import Console

from scripts.bench.ending import ended
from scripts.bench.machine import machine
from scripts.bench.selection_loop.markdown import number, table
from shared.settings import load_settings

_SOURCES = "Email", "Chat", "Social"
_WORDS = 12

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and print."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="quietcorner-ingest-") as name:
        folder = Path(name)
        files = _write(_rows(given.rows), folder)
        rates: dict[str, list[float]] = {file.suffix: [] for file in files}
        for round_ in range(given.rounds):
            console.print(f"round {round_ + 1} of {given.rounds}")
            for file in files:
                project = f"bench-{file.suffix[1:]}-{round_}"
                rates[file.suffix].append(_rate(file, folder / project, project))
    on = "SQLite" if load_settings().database_url is None else "DATABASE_URL"
    command = f"scripts/bench/ingest --rows {given.rows} --rounds {given.rounds}"
    print(f"{command}, {datetime.now(UTC):%Y-%m-%d}, {machine()}, {on}\n")
    rows = [
        [kind, number(statistics.median(found), 0), f"{min(found):,.0f} to {max(found):,.0f}"]
        for kind, found in rates.items()
    ]
    print(table(["file", "rows a second", "least to most"], rows))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/ingest",
        description="Brings made-up rows in from each kind of file and tells how many a second. "
        "Example: scripts/bench/ingest --rows 300000 --rounds 3",
    )
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _rows(count: int) -> Iterator[dict[str, Any]]:
    """Rows of some 80 characters, of which no two are alike."""
    rng = np.random.default_rng(0)
    for row, words in enumerate(rng.integers(10_000, 99_999, size=(count, _WORDS)).tolist()):
        text = " ".join(map(str, words))
        yield {
            "item_id": f"ticket-{row}",
            "text": f"{text} {row}",
            "source": _SOURCES[row % len(_SOURCES)],
            "timestamp": "2026-01-31T08:00:00Z",
        }


def _write(rows: Iterator[dict[str, Any]], folder: Path) -> list[Path]:
    all_ = list(rows)
    files = [folder / f"items{suffix}" for suffix in (".parquet", ".jsonl", ".csv")]
    parquet.write_table(pa.Table.from_pylist(all_), files[0])
    with files[1].open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in all_)
    with files[2].open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(all_[0]))
        writer.writeheader()
        writer.writerows(all_)
    return files


def _rate(file: Path, data: Path, project: str) -> float:
    """Rows a second of one run, as the command itself tells."""
    data.mkdir()
    config = data / "project.toml"
    config.write_text('classes = ["fraud", "other"]\n', encoding="utf-8")
    _quietcorner(data, "project", "create", project, "--config", str(config))
    told = json.loads(_quietcorner(data, "ingest", project, str(file), "--json"))
    return float(told["added"] / told["seconds"])


def _quietcorner(data: Path, *words: str) -> str:
    environment = {**os.environ, "QUIETCORNER_DATA_DIR": str(data)}
    run = subprocess.run(
        [sys.executable, "-m", "workers.cli", *words], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return run.stdout


if __name__ == "__main__":
    sys.exit(ended(main, console))
