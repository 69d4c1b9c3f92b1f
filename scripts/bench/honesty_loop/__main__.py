"""`scripts/bench/honesty`: arguments, the campaigns, and the tables."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

from scripts.bench.bars import bars
from scripts.bench.ending import ended
from scripts.bench.honesty_loop.budget import Budget, measure_budget
from scripts.bench.honesty_loop.campaign import run_campaign
from scripts.bench.honesty_loop.figures import Told, tell
from scripts.bench.honesty_loop.report import budget_table, coverage_table
from scripts.bench.selection_loop.prepared import Prepared, prepare_set
from scripts.bench.selection_loop.sets import BenchSet, find_sets
from scripts.bench.selection_loop.stored import fill_cache, stored_vectors
from shared.project import ProjectConfig
from workers.embedding.encoders import PACKAGED
from workers.simulation.replay import rare_classes

_ROOT = Path(__file__).parents[3]
_SETS = (
    "davidson_hate",
    "davidson_hate-1pct",
    "sms_spam",
    "sms_spam-1pct",
    "crisislex_t26",
    "crisislex_t26-1pct",
    "crisislex_t6-1pct",
    "hwu64",
)
# Audit items of the samples that are drawn anew, and campaigns on each set after which they are.
_ASKED, _BUDGETS = 300, 5

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Run what is missing and print the tables; returns the exit code."""
    given = _arguments()
    return ended(lambda: _wanted(given, given.out / "results.jsonl"), console)


def _wanted(given: argparse.Namespace, results: Path) -> int:
    if not given.report:
        _run(given, results)
    _print(results)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/honesty",
        description="Simulates campaigns on labeled files, where the truth is known, and asks whether what is reported "
        "from the audit sample is true: how often its 95 %% intervals hold the truth, beside cross-validation on the "
        "labels that the campaign chose; and how far off the recall of a class is with as many audit items drawn by "
        "bands of likelihood or alike. A run that was interrupted goes on.",
    )
    parser.add_argument("--data", type=Path, default=_ROOT.parent / "shared" / "data", help="folder of labeled files")
    parser.add_argument("--sets", nargs="+", metavar="SET", default=list(_SETS), help="which sets")
    parser.add_argument("--seeds", type=int, default=25, help="campaigns on each set (default 25)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each campaign (default 10)")
    parser.add_argument("--batch", type=int, default=100, help="labels of each round (default 100)")
    parser.add_argument(
        "--audit-share", type=float, default=0.2, help="share of the batch drawn by chance (default 0.2)"
    )
    parser.add_argument("--cache", type=Path, help="folder of the vectors (default OUT/cache)")
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "bench" / "honesty", help="folder of the results")
    parser.add_argument("--report", action="store_true", help="run nothing: print the tables of what is there")
    return parser.parse_args()


def _run(given: argparse.Namespace, results: Path) -> None:
    sets = find_sets(given.data)
    chosen = [sets[name] for name in given.sets if name in sets]
    given.out.mkdir(parents=True, exist_ok=True)
    cache = (given.cache or given.out / "cache").resolve()
    encoder = fill_cache(chosen, folder=cache, encoder=PACKAGED, advance=lambda *_: None)
    there = {(row["set"], row["seed"]) for row in _read(results) if row["kind"] == "done"}
    missing = [(one, seed) for one in chosen for seed in range(given.seeds) if (one.name, seed) not in there]
    with (
        threadpool_limits(1),
        bars(console) as progress,
    ):
        bar = progress.add_task("campaigns", total=len(missing))
        for one, seed in missing:
            progress.update(bar, description=one.name)
            prepared = prepare_set(one, seed=0, vectors=stored_vectors(cache, encoder), folder=cache / "prepared")
            _append(results, _measure(given, one, prepared, seed, encoder))
            progress.advance(bar)


def _measure(
    given: argparse.Namespace, one: BenchSet, prepared: Prepared, seed: int, encoder: str
) -> list[dict[str, Any]]:
    data = prepared.data
    selection = {"batch_size": given.batch, "audit_share": given.audit_share}
    config = ProjectConfig.model_validate(
        {"task": prepared.task, "classes": data.pool.classes, "seed": seed, "selection": selection}
    )
    draws = np.random.default_rng([seed, len(data.pool)]).random(len(data.pool))
    pool = replace(data.pool, draws=draws)
    campaign = run_campaign(pool, data.truth, config, rounds=given.rounds, encoder=encoder)
    rare = prepared.rare or rare_classes(data)
    rows: list[dict[str, Any]] = []
    if campaign is not None:
        rows += [{"kind": "told", **asdict(told)} for told in tell(campaign, rare, name=one.name)]
        if len(rare) == 1 and seed < _BUDGETS:
            budget = measure_budget(campaign, rare[0], name=one.name, asked=_ASKED)
            rows.append({"kind": "budget", **asdict(budget)})
    return [*rows, {"kind": "done", "set": one.name, "seed": seed}]


def _append(results: Path, rows: Sequence[dict[str, Any]]) -> None:
    with results.open("a", encoding="utf-8") as stream:
        stream.write("".join(json.dumps(row) + "\n" for row in rows))


def _read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def _print(results: Path) -> None:
    rows = _read(results)
    done = [row for row in rows if row["kind"] == "done"]
    told, budgets = (
        [{key: value for key, value in row.items() if key != "kind"} for row in rows if row["kind"] == kind]
        for kind in ("told", "budget")
    )
    print(f"{len(done)} campaigns\n")
    print(coverage_table([Told(**row) for row in told]))
    print()
    print(budget_table([Budget(**row) for row in budgets]))


if __name__ == "__main__":
    sys.exit(main())
