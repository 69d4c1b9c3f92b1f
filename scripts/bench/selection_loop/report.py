"""The report: for every condition that was run, tables in Markdown."""

from collections.abc import Mapping
from pathlib import Path

from scripts.bench.selection_loop.changes import changes, pairs
from scripts.bench.selection_loop.comparison import Comparison, compare
from scripts.bench.selection_loop.frontier import frontier_table
from scripts.bench.selection_loop.record import Cell, Condition, Record
from scripts.bench.selection_loop.tables import (
    bars,
    channels_left_out,
    first_places,
    one_set,
    overview,
)

_LEGEND = (
    "Each value is a mean over the seeds. In brackets: the 95 % interval of the mean difference to `quietcorner`, by a "
    "bootstrap over seeds of paired differences (same split, same noise, same seed). A strategy is tied with the first "
    "one when the interval of their difference holds zero. Areas are mean heights of the curve against the number of "
    "labels. A run is below random when its macro-F1 area is below that of random items on the same split; beyond "
    "doubt, when by more than half the width of the interval of the set's mean difference to random. A rare item "
    "counts as found when it is chosen, whatever label it gets; duplicates count once. `≥`: some replay ended before "
    "it got there and counts with the whole budget."
)


def write_report(records: Mapping[Cell, Record], path: Path) -> str:
    """The report on all records, written to a file as well."""
    conditions = sorted({cell.condition for cell in records}, key=_order)
    comparisons = [compare(records.values(), condition) for condition in conditions]
    parts = ["# Strategies compared", _LEGEND] if records else ["There are no results yet."]
    for comparison in comparisons:
        parts += _section(comparison)
    parts += [
        part
        for title, plain, other in pairs(comparisons)
        for part in (f"## {title}", changes(plain, other), _origin(other))
    ]
    text = "\n\n".join(part for part in parts if part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return text


def _section(comparison: Comparison) -> list[str]:
    origin = _origin(comparison)
    parts = [f"## {_title(comparison.condition)}", "### All sets", overview(comparison), origin]
    parts += ["### Who is first", first_places(comparison), origin]
    parts += ["### Finding against learning", frontier_table(comparison), origin]
    parts += ["### Against the bars", bars(comparison)]
    if comparison.without:
        parts += ["### Without one channel", channels_left_out(comparison), origin]
    for name in comparison.sets:
        parts += [f"### {name}", *one_set(comparison, name), origin]
    return parts


def _title(condition: Condition) -> str:
    terms = [f"{condition.budget:,} labels ({condition.init:,} and then {condition.batch:,} a round)"]
    terms += [f"{condition.noise:.0%} of the labels wrong".replace("%", " %")] if condition.noise else []
    terms += ["classes and sources capped"] if condition.caps else []
    return ", ".join(terms)


def _origin(comparison: Comparison) -> str:
    """The line under each table: command, machine and date."""
    condition = comparison.condition
    records = [record for by_seed in comparison.records.values() for record in by_seed.values()]
    dates = sorted({record.date for record in records})
    machines = sorted({record.machine for record in records})
    seeds = 1 + max((record.cell.seed for record in records), default=0)
    command = (
        f"scripts/bench/selection --seeds {seeds} --init {condition.init} --batch {condition.batch} "
        f"--rounds {condition.rounds}"
    )
    command += f" --noise {condition.noise:g}" if condition.noise else ""
    command += " --caps" if condition.caps else ""
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"*`{command}`, {'; '.join(machines)}, {when}*"


def _order(condition: Condition) -> tuple[int, int, int, bool, float]:
    return condition.init, condition.batch, condition.rounds, condition.caps, condition.noise
