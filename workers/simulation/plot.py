"""The learning curve of a replay as a picture."""

from collections.abc import Collection, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from shared.errors import InvalidInputError
from workers.simulation.replay import RoundReport

# Colours that stay apart for colour-blind readers: Okabe and Ito, "Color Universal Design" (2008).
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#777777"


def plot_curve(reports: Sequence[RoundReport], *, rare: Collection[str], pool: int, title: str, path: Path) -> None:
    """Draw macro-F1, the F1 of the rare classes and the share of rare items found against the number of labels.

    A dashed line shows the share that random labeling is expected to find.

    Args:
        reports: Of all rounds, at least one.
        rare: The rare classes.
        pool: Items in the pool.
        title: Of the picture.
        path: Of the PNG file to write.

    Raises:
        InvalidInputError: the file can't be written.
    """
    with mpl.rc_context({"text.parse_math": False}):  # a file may have a $ in its name
        _plot(reports, rare, pool, title, path)


def _plot(reports: Sequence[RoundReport], rare: Collection[str], pool: int, title: str, path: Path) -> None:
    labels = [report.labels for report in reports]
    figure = Figure(figsize=(8, 5), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.plot(labels, [report.macro_f1 for report in reports], "o-", color=_BLUE, label="macro-F1")
    rare_f1 = [value for value in (report.rare_f1(rare) for report in reports) if value is not None]
    if rare_f1:  # known in every round or in none: it depends on the test set alone, as the share on the pool
        axes.plot(labels, rare_f1, "s-", color=_ORANGE, label="F1 of the rare classes")
    found = [report.rare_recall_found for report in reports if report.rare_recall_found is not None]
    if found:
        axes.plot(labels, found, "^-", color=_GREEN, label="share of rare items found")
        axes.plot(labels, [n / pool for n in labels], "--", color=_GREY, label="share found by random labeling")
    axes.set(title=title, xlabel="labels", ylabel="F1, or share", ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="best", framealpha=0.9)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise InvalidInputError(f"{path}: the plot can't be written: {error}. Give another place: --plot") from error
