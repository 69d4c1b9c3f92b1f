"""The tables of `scripts/bench/scale`."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scripts.bench.scale_loop.comparison import behind, rivals
from scripts.bench.scale_loop.peers import PRODUCT
from scripts.bench.scale_loop.trial import CHANCE
from scripts.bench.scale_loop.watched import STEPS
from scripts.bench.selection_loop.markdown import NOTHING, number, percent, table

_LIMITS = {
    "read_s": "plain read of the bytes",
    "numpy_s": "plain NumPy: scores, margins, the best",
    "scored_s": "scores as a round makes them",
}
# Parts of a profile that a table has room for.
_PARTS = 24

Size = Mapping[str, Any]
"""What was measured at one size: see `measured.run_rounds`, and `ways`, see `comparison.compare`."""


def report(sizes: Sequence[Size], trial: Mapping[str, Sequence[float]]) -> str:
    """All tables, one after the other."""
    parts = [rounds(sizes), limits(sizes)]
    parts += [peers(size, trial) for size in sizes if len(size.get("ways", ())) > 1]
    parts += [worth(trial)] if trial else []
    parts += [profile(size) for size in sizes if size.get("profile")]
    parts += [starts(sizes)] if any(size.get("more") for size in sizes) else []
    return "\n\n".join(parts)


def rounds(sizes: Sequence[Size]) -> str:
    """Medians of the rounds of a warm worker, in seconds of the processor by step, and what its first one took."""
    head = ["items", *STEPS, "round, cpu s", "by the clock", "first round, cpu s", "own MiB", "with maps MiB"]
    rows = []
    for size in sizes:
        warm = size["rounds"][1:]
        steps = [number(statistics.median(one["cpu"][step] for one in warm), 2) for step in STEPS]
        whole = [spread([one[name] for one in warm], 2) for name in ("cpu_s", "total_s")]
        memory = [number(size[name], 0) for name in ("own_mib", "all_mib")]
        rows.append([number(size["items"], 0), *steps, *whole, number(size["rounds"][0]["cpu_s"], 1), *memory])
    return table(head, rows)


def limits(sizes: Sequence[Size]) -> str:
    """Seconds of the processor for one pass over the vectors, and how many of each a choice and a round are."""
    head = ["items", *_LIMITS.values(), "select / plain NumPy", "round / plain NumPy"]
    rows = []
    for size in sizes:
        warm, plain = size["rounds"][1:], size["limits"]["numpy_s"]
        taken = [[one["cpu"]["select"] for one in warm], [one["cpu_s"] for one in warm]]
        times = [number(statistics.median(one) / plain if plain else None, 2) for one in taken]
        rows.append([number(size["items"], 0), *(number(size["limits"][name], 3) for name in _LIMITS), *times])
    return table(head, rows)


def peers(size: Size, trial: Mapping[str, Sequence[float]]) -> str:
    """What each way took for the same choice at one size, and how many times the product's choice that is."""
    ways = size["ways"]
    head = [
        f"{size['items']:,} items",
        "choices",
        "cpu, s",
        "times Quiet Corner's",
        "clock, s",
        "own MiB",
        "of rare classes",
    ]
    rows = [_peer(way, ways[0]) for way in ways]
    return f"{table(head, rows)}\n\n{bar(size, trial)}"


def bar(size: Size, trial: Mapping[str, Sequence[float]]) -> str:
    """In words, how much faster the choice is than the fastest one that is worth as much."""
    ways = size["ways"]
    even = rivals(ways, trial)
    if not even:
        return f"At {size['items']:,} items no other way that is worth as much came to an end."
    ours = statistics.median(ways[0]["cpu_s"])
    told = [f"{way['name']} ({statistics.median(way['cpu_s']) / ours:,.1f} times)" for way in even]
    return (
        f"At {size['items']:,} items these came to an end and are worth as much, the fastest first: {', '.join(told)}."
    )


def worth(trial: Mapping[str, Sequence[float]]) -> str:
    """Macro-F1 of each way in the trial, and whether it is behind the product."""
    rows = []
    for way, values in trial.items():
        said = NOTHING if way in (PRODUCT, CHANCE) else "behind" if behind({"name": way}, trial) else "as much"
        rows.append([way, spread(values, 3), said])
    return table([f"trial, {len(trial[PRODUCT])} seeds", "macro-F1", "worth"], rows)


def profile(size: Size) -> str:
    """Functions of one round with their share of its seconds."""
    head = [f"one round, {size['items']:,} items", "with all it calls", "itself"]
    rows = [[one["name"], percent(one["share"]), percent(one["own_share"])] for one in size["profile"][:_PARTS]]
    return table(head, rows)


def starts(sizes: Sequence[Size]) -> str:
    """From the start of a process on an empty disk to its first batch, and what new items cost it later."""
    head = [
        "items",
        "imports",
        "load",
        "train",
        "select",
        "store",
        "to the first batch",
        "new items",
        "until known, cpu s",
        "clock s",
    ]
    rows = []
    for size in sizes:
        first, more = size["rounds"][0], size.get("more") or {}
        steps = [first[f"{step}_s"] for step in STEPS]
        whole = size["ready_s"] + first["total_s"]
        seconds = [number(value, 1) for value in (size["ready_s"], *steps, whole)]
        later = [number(more.get("items"), 0), number(more.get("cpu_s"), 3), number(more.get("clock_s"), 3)]
        rows.append([number(size["items"], 0), *seconds, *later])
    return table(head, rows)


def spread(values: Sequence[float], digits: int) -> str:
    """A median, and the least and the most where there are several."""
    if not values:
        return NOTHING
    middle = number(statistics.median(values), digits)
    return middle if len(values) == 1 else f"{middle} ({number(min(values), digits)} to {number(max(values), digits)})"


def _peer(way: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    name = way["name"] if way["diverse"] else f"{way['name']}, uncertainty alone"
    if way["stopped"] and not way["cpu_s"]:
        return [name, "0", way["stopped"], *[NOTHING] * 4]
    times = statistics.median(way["cpu_s"]) / statistics.median(ours["cpu_s"])
    seconds, clock = spread(way["cpu_s"], 2), spread(way["clock_s"], 2)
    rare = spread(way["rare"], 0)
    return [name, str(len(way["cpu_s"])), seconds, number(times, 2), clock, number(way["own_mib"], 0), rare]
