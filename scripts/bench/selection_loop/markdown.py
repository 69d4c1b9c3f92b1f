"""Markdown tables and the numbers in them."""

from collections.abc import Sequence

from scripts.bench.selection_loop.comparison import Summary
from scripts.bench.selection_loop.intervals import Difference

NOTHING = "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, the first column to the left and the others to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def number(value: float | None, digits: int) -> str:
    """A number, with commas between thousands."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    """A share in percent."""
    return NOTHING if value is None else f"{value:.{digits}%}".replace("%", " %")


def mean_of(summary: Summary | None, digits: int) -> str:
    """A mean; `≥` says that some replay ended before its value was seen."""
    return NOTHING if summary is None else ("≥ " if summary.at_least else "") + number(summary.mean, digits)


def gap(difference: Difference | None, digits: int) -> str:
    """A difference with its interval."""
    if difference is None:
        return NOTHING
    return f"{difference.mean:+,.{digits}f} [{difference.low:+,.{digits}f}, {difference.high:+,.{digits}f}]"
