"""The report: for every condition that was run, tables in Markdown."""

from collections.abc import Mapping
from pathlib import Path

from scripts.bench.selection_loop.comparison import Comparison, compare
from scripts.bench.selection_loop.record import Cell, Condition, Record
from scripts.bench.selection_loop.tables import (
    bars,
    caps_cost,
    channels_left_out,
    first_places,
    one_set,
    overview,
)

_LEGEND = (
    "Each value is a mean over the seeds. In brackets: the 95 % interval of the mean difference to `quietcorner`, by a "
    "bootstrap over seeds of paired differences (same split, same noise, same seed). A strategy is tied with the first "
    "one when the interval of their difference holds zero. Areas are mean heights of the curve against the number of "
    "labels. A rare item counts as found when it is chosen, whatever label it gets; duplicates count once. `≥`: some "
    "replay ended before it got there and counts with the whole budget."
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
        for free, capped in _pairs(comparisons)
        for part in ("## What caps cost", caps_cost(free, capped), _origin(capped))
    ]
    text = "\n\n".join(part for part in parts if part)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return text


def _section(comparison: Comparison) -> list[str]:
    origin = _origin(comparison)
    parts = [f"## {_title(comparison.condition)}", "### All sets", overview(comparison), origin]
    parts += ["### Who is first", first_places(comparison), origin]
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


def _pairs(comparisons: list[Comparison]) -> list[tuple[Comparison, Comparison]]:
    """Comparisons without caps, each with its like with caps."""
    by_condition = {comparison.condition: comparison for comparison in comparisons}
    return [
        (by_condition[free], comparison)
        for comparison in comparisons
        if comparison.condition.caps
        and (free := comparison.condition.model_copy(update={"caps": False})) in by_condition
    ]
