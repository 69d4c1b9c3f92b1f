"""Peers beside the product: the same choice from the same pool with the same probabilities, one process a choice."""

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench.scale_loop.bounded import Bounds, run
from scripts.bench.scale_loop.measured import TRUTH
from scripts.bench.scale_loop.peers import PEERS, PRODUCT, Peer
from shared.errors import InvalidInputError
from shared.pool import Index

_RARE = 0.01


@dataclass
class Way:
    """A way to choose, and what it took at one size.

    Attributes:
        name: Of the way.
        diverse: Whether it looks at how alike the chosen are.
        cpu_s: Seconds of the processor, of each choice.
        clock_s: Seconds by the clock, likewise.
        rare: Chosen items of classes of under 1 % of the pool, likewise.
        own_mib: The most memory of its process's own.
        stopped: Why it came to no end; None where it did.
    """

    name: str
    diverse: bool = True
    cpu_s: list[float] = field(default_factory=list)
    clock_s: list[float] = field(default_factory=list)
    rare: list[int] = field(default_factory=list)
    own_mib: float = 0.0
    stopped: str | None = None


def missing(peers: Mapping[str, Peer] = PEERS) -> list[str]:
    """What is to be said of packages that are not there."""
    absent = dict.fromkeys(peer.package for peer in peers.values() if not peer.installed)
    return [f"{package} is not installed and left out: pip install -e .[bench]" for package in absent]


def product(measured: Mapping[str, Any], folder: Path) -> Way:
    """The product's own choices, in rounds of a warm worker: scoring is part of them, and no part of the peers'."""
    warm = measured["rounds"][1:]
    return Way(
        PRODUCT,
        cpu_s=[one["cpu"]["select"] for one in warm],
        clock_s=[one["select_s"] for one in warm],
        rare=[_rare(folder, np.array(chosen)) for chosen in measured["chosen"]],
        own_mib=measured["own_mib"],
    )


def compare(
    folder: Path,
    ours: Way,
    *,
    count: int,
    seeds: int,
    bounds: Bounds,
    stopped: Mapping[str, str],
    tell: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Let every peer choose by every seed.

    Args:
        folder: What peers are given, see `handed`.
        ours: What the product took.
        count: Items that are chosen.
        seeds: How many. A peer that has taken as long as one choice may is not asked again.
        bounds: Of one choice.
        stopped: Peers that came to no end with fewer items, and why: they are not tried.
        tell: Is told what is being done.

    Returns:
        The ways as JSON, the product first.
    """
    ways = [ours]
    for name, peer in PEERS.items():
        if not peer.installed:
            continue
        way = Way(name, peer.diverse, stopped=stopped.get(name))
        while way.stopped is None and len(way.cpu_s) < seeds and sum(way.cpu_s) < bounds.seconds:
            tell(f"{name}, seed {len(way.cpu_s)}")
            _choose(way, folder, count, bounds)
        ways.append(way)
    return [asdict(way) for way in ways]


def try_out(seeds: int, bounds: Bounds) -> dict[str, list[float]]:
    """Macro-F1 by way and seed, see `trial`."""
    ended = run([sys.executable, "-m", "scripts.bench.scale_loop.trial", "--seeds", str(seeds)], bounds)
    if ended.stopped:
        raise InvalidInputError(f"the trial of the ways came to no end: {ended.stopped}")
    found: dict[str, list[float]] = json.loads(ended.said)
    return found


def rivals(ways: Sequence[Mapping[str, Any]], trial: Mapping[str, Sequence[float]]) -> list[Mapping[str, Any]]:
    """The other ways that look for diversity, came to an end and are worth as much, the one with least seconds first.

    Worth as much is what reaches in the trial at least what the product reaches, but for twice the standard error of
    the differences by seed.
    """
    even = [
        way for way in ways if way["name"] != PRODUCT and way["diverse"] and way["cpu_s"] and not behind(way, trial)
    ]
    return sorted(even, key=lambda way: statistics.median(way["cpu_s"]))


def behind(way: Mapping[str, Any], trial: Mapping[str, Sequence[float]]) -> bool:
    """Whether a way is worth less than the product's, see `rivals`; not where nothing is known of it."""
    differences = np.subtract(trial.get(way["name"], []), trial.get(PRODUCT, [])[: len(trial.get(way["name"], []))])
    if len(differences) < 2:
        return False
    return bool(differences.mean() + 2 * differences.std(ddof=1) / np.sqrt(len(differences)) < 0)


def _choose(way: Way, folder: Path, count: int, bounds: Bounds) -> None:
    """One choice, and what it took."""
    module = "scripts.bench.scale_loop.peer"
    asked = ("--peer", way.name, "--count", str(count), "--seed", str(len(way.cpu_s)), "--gib", str(bounds.gib))
    ended = run([sys.executable, "-m", module, str(folder), *asked], bounds)
    found: dict[str, Any] = json.loads(ended.said) if ended.stopped is None else {"stopped": ended.stopped}
    if "stopped" in found:
        way.stopped = found["stopped"]
        return
    way.cpu_s.append(found["cpu_s"])
    way.clock_s.append(found["clock_s"])
    way.rare.append(_rare(folder, np.array(found["chosen"])))
    way.own_mib = max(way.own_mib, found["own_mib"])


def _rare(folder: Path, chosen: Index) -> int:
    truth = np.load(folder / TRUTH)
    few = np.bincount(truth) < _RARE * len(truth)
    return int(few[truth[chosen]].sum())
