"""`scripts/bench/scale`: arguments, the run of each size, and the tables."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from scripts.bench.ending import ended
from scripts.bench.machine import machine
from scripts.bench.scale_loop.bounded import Bounds, run
from scripts.bench.scale_loop.comparison import compare, missing, product, try_out
from scripts.bench.scale_loop.plot import draw
from scripts.bench.scale_loop.pools import Shape, place
from scripts.bench.scale_loop.tables import report
from shared.errors import InvalidInputError
from shared.settings import load_settings

_LONGEST_S = 3 * 3600.0
_TOLD = "items", "classes", "labels", "batch", "rounds", "seeds", "peer_items", "peer_seconds", "peer_gib", "more"

console = Console(stderr=True, highlight=False)


def main() -> int:
    """Measure and print."""
    given = _arguments()
    for line in missing() if given.seeds else ():
        console.print(line, markup=False)
    done = _Done(given.out)
    sizes, trial = _sizes(given, done), _trial(given, done)
    if given.plot:
        given.plot.write_text(draw(sizes), encoding="utf-8")
    if given.as_json:
        print(json.dumps({**_conditions(given), "sizes": sizes, "trial": trial}, indent=2))
        return 0
    print("\n".join(f"{name}: {value}" for name, value in _conditions(given).items()) + "\n")
    print(report(sizes, trial))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench/scale",
        description="Runs rounds on made-up pools of several sizes, in one process each as a worker is, and tells what "
        "each step took, beside a plain read of the vectors, a plain NumPy pass and other packages' choices from the "
        "same probabilities. On SQLite, or on the empty PostgreSQL database in DATABASE_URL. Example: "
        "scripts/bench/scale --items 10000 100000 --rounds 6 --seeds 3 --plot scale.svg",
    )
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--labels", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=8, help="of which the first is the start of a worker")
    parser.add_argument("--seeds", type=int, default=0, help="choices of each other package; 0 leaves them out")
    parser.add_argument("--peer-items", type=int, default=1_000_000, help="the largest pool that they choose from")
    parser.add_argument("--peer-seconds", type=float, default=600.0, help="of the processor, for one choice of theirs")
    parser.add_argument("--peer-gib", type=float, default=12.0, help="memory of one choice of theirs")
    parser.add_argument("--gib", type=float, default=20.0, help="memory of the product's own process")
    parser.add_argument("--trial-seeds", type=int, default=0, help="seeds of the trial of what choices are worth")
    parser.add_argument("--profile", action="store_true", help="look into one more round")
    parser.add_argument("--more", type=int, default=0, help="items that come to a worker which knows the others")
    parser.add_argument("--plot", type=Path, help="SVG file of time and memory against the size of the pool")
    parser.add_argument("--pools", type=Path, help="folder in which pools are kept for the next run")
    parser.add_argument("--out", type=Path, help="file of what is done, by which the same command goes on")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the figures as JSON")
    given = parser.parse_args()
    if given.rounds < 2:
        parser.error("--rounds: 2 or more, as the first round is that of a worker that knows nothing")
    return given


class _Done:
    """What was measured, line by line in a file if there is one; that is not measured again."""

    def __init__(self, path: Path | None) -> None:
        """Read what stands there."""
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
        self._known: dict[str, Any] = {name: found for line in lines for name, found in json.loads(line).items()}

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was measured under a name, now if it was not before."""
        if name not in self._known:
            self._known[name] = measure()
            if self._path:
                with self._path.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({name: self._known[name]}) + "\n")
        found: dict[str, Any] = self._known[name]
        return found


def _sizes(given: argparse.Namespace, done: _Done) -> list[dict[str, Any]]:
    sizes: list[dict[str, Any]] = []
    for items in given.items:
        sizes.append(done.get(str(items), partial(_measure, Shape.of(given, items), given, list(sizes))))
    return sizes


def _trial(given: argparse.Namespace, done: _Done) -> dict[str, list[float]]:
    if not given.trial_seeds:
        return {}
    return done.get("trial", lambda: try_out(given.trial_seeds, Bounds(_LONGEST_S, given.gib)))


def _measure(shape: Shape, given: argparse.Namespace, before: Sequence[dict[str, Any]]) -> dict[str, Any]:
    compared = given.seeds > 0 and shape.items <= given.peer_items
    with place(shape, given.pools) as scratch:
        console.print(f"{shape.items:,} items: {given.rounds} rounds")
        found = _rounds(scratch, given, compared=compared)
        if compared:
            found["ways"] = compare(
                scratch / "handed",
                product(found, scratch / "handed"),
                count=shape.batch,
                seeds=given.seeds,
                bounds=Bounds(given.peer_seconds, given.peer_gib),
                stopped=_stopped(before),
                tell=lambda what: console.print(f"{shape.items:,} items: {what}"),
            )
    return found


def _rounds(scratch: Path, given: argparse.Namespace, *, compared: bool) -> dict[str, Any]:
    asked = ["--rounds", str(given.rounds), "--more", str(given.more), "--started-at", str(time.time())]
    asked += ["--profile"] if given.profile else []
    asked += ["--hand-over", str(scratch / "handed"), "--seeds", str(given.seeds)] if compared else []
    module = "scripts.bench.scale_loop.measured"
    ended_ = run([sys.executable, "-m", module, str(scratch / "run"), *asked], Bounds(_LONGEST_S, given.gib))
    if ended_.stopped:
        raise InvalidInputError(f"the rounds came to no end: {ended_.stopped}")
    found: dict[str, Any] = json.loads(ended_.said)
    return found


def _stopped(before: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Of each peer that came to no end with fewer items: at how many, and why."""
    told: dict[str, str] = {}
    for size in before:
        for way in size.get("ways", ()):
            if way["stopped"] and not way["cpu_s"]:
                told.setdefault(way["name"], f"not tried, stopped at {size['items']:,} ({way['stopped']})")
    return told


def _conditions(given: argparse.Namespace) -> dict[str, str]:
    asked = {name.replace("_", "-"): getattr(given, name) for name in _TOLD}
    asked["items"] = " ".join(str(items) for items in given.items)
    asked |= {"trial-seeds": given.trial_seeds}
    url = load_settings().database_url
    return {
        "command": "scripts/bench/scale " + " ".join(f"--{name} {value}" for name, value in asked.items()),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{machine()}, load {os.getloadavg()[2]:.1f} over 15 minutes, one thread",
        "database": url.partition(":")[0] if url else "sqlite",
    }


if __name__ == "__main__":
    sys.exit(ended(main, console))
