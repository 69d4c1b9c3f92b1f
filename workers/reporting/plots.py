"""Plots of how the labeling went: quality by labels, labels by class, source, channel and round, drift. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from workers.reporting.drawing import (
    BLUE,
    FAINT,
    FILLS,
    FRAME,
    HEIGHT,
    LINES,
    ORANGE,
    RED,
    ROW,
    SKY,
    frame,
    in_legend,
    legend,
    name_rows,
    style,
    svg,
)
from workers.reporting.measured import Measure

LEVELS: dict[str, tuple[str, str]] = {
    "quiet": (FAINT, "o"),
    "note": (SKY, "D"),
    "warn": (ORANGE, "^"),
    "act": (RED, "s"),
}
"""Colour and marker of each drift level."""
MOST_LINES = len(LINES)
"""Lines that one plot tells apart."""
MOST_FILLS = len(FILLS)
"""Parts of a bar that one plot tells apart."""


@dataclass(frozen=True)
class Course:
    """One measure over the model versions: its name, the labels behind each version, and what it was."""

    name: str
    labels: Sequence[int]
    measures: Sequence[Measure]


def learning_curve(courses: Sequence[Course]) -> str:
    """Measures on the audit sample by number of labeled items, ascending, with their intervals."""
    with style():
        figure, axes = frame(HEIGHT + 0.2)
        for course, (colour, dashes, marker) in zip(courses, LINES, strict=False):
            _band(axes, course, colour)
            axes.plot(
                course.labels,
                [found.value for found in course.measures],
                color=colour,
                ls=dashes,
                marker=marker,
                markersize=4,
                lw=1.8,
                label=course.name,
            )
        axes.set(ylim=(0, 1), xlabel="labeled items", ylabel="on the audit sample")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        legend(figure, axes)
        names = " and ".join(course.name for course in courses)
        return svg(figure, f"{names} on the audit sample by number of labeled items, with 95 % intervals")


def _band(axes: Axes, course: Course, colour: str) -> None:
    ends = [
        (labels, *found.interval)
        for labels, found in zip(course.labels, course.measures, strict=True)
        if found.interval is not None
    ]
    if ends:
        labels, low, high = zip(*ends, strict=True)
        axes.fill_between(labels, low, high, color=colour, alpha=0.15, lw=0)
        axes.vlines(labels, low, high, color=colour, lw=1, alpha=0.5)


def labels_by_round(rounds: Sequence[int], counts: Mapping[str, Sequence[int]]) -> str:
    """Labeled items of some classes, added up over the rounds.

    Args:
        rounds: ascending; 0 for what came before the first.
        counts: class -> labeled items after each of the rounds; at most `MOST_LINES`.
    """
    with style():
        figure, axes = frame(HEIGHT + 0.2 * ((len(counts) + 1) // 2))
        for (name, of_class), (colour, dashes, marker) in zip(counts.items(), LINES, strict=False):
            axes.plot(
                rounds,
                of_class,
                color=colour,
                ls=dashes,
                marker=marker,
                markersize=4,
                markevery=max(1, len(rounds) // 12),
                lw=1.6,
                label=in_legend(name),
            )
        axes.set(xlabel="round", ylabel="labeled items")
        axes.set_ylim(bottom=0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, integer=True))
        legend(figure, axes, columns=2)
        return svg(figure, "Labeled items of the rarest classes, added up over the rounds")


def channels_by_round(counts: Mapping[int, Mapping[str, int]], channels: Sequence[str]) -> str:
    """Labeled items by round, each bar divided by the channel that asked for them.

    Args:
        counts: round -> channel -> labeled items.
        channels: in the order in which they stand in a bar; at most `MOST_FILLS`.
    """
    with style():
        figure, axes = frame(HEIGHT + 0.3)
        rounds = list(counts)
        bottom = [0] * len(rounds)
        for channel, (colour, hatch) in zip(channels, FILLS, strict=False):
            height = [counts[number].get(channel, 0) for number in rounds]
            axes.bar(
                rounds, height, 0.8, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", lw=0.6, label=channel
            )
            bottom = [so_far + more for so_far, more in zip(bottom, height, strict=True)]
        axes.set(xlabel="round", ylabel="labeled items")
        axes.set_xlim(min(rounds) - 0.6, max(rounds) + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(visible=False, axis="x")
        legend(figure, axes)
        return svg(figure, "Labeled items by round, and the channels that asked for them")


def stacked_labels(counts: Mapping[str, Mapping[str, int]], sources: Sequence[str]) -> str:
    """Labeled items by class, each bar divided by source.

    Args:
        counts: class -> source -> labeled items; the first at the top.
        sources: in the order in which they stand in a bar; at most seven are told apart.
    """
    with style():
        figure, axes = frame(FRAME + 0.3 + ROW * len(counts))
        left = [0] * len(counts)
        for source, (colour, hatch) in zip(sources, FILLS, strict=False):
            width = [of_class.get(source, 0) for of_class in counts.values()]
            axes.barh(
                range(len(counts)),
                width,
                left=left,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                lw=0.6,
                height=0.7,
                label=in_legend(source),
            )
            left = [so_far + more for so_far, more in zip(left, width, strict=True)]
        name_rows(axes, list(counts))
        axes.set(xlabel="labeled items")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        legend(figure, axes)
        return svg(figure, "Labeled items by class and source")


def source_mix(shares: Sequence[tuple[str, float, float]]) -> str:
    """Each source's share of the pool beside its share of the labels; the first at the top.

    Args:
        shares: (name, share of the items, share of the labels).
    """
    with style():
        figure, axes = frame(FRAME + 0.3 + 1.6 * ROW * len(shares))
        rows = range(len(shares))
        axes.barh([row - 0.19 for row in rows], [pool for _, pool, _ in shares], 0.36, color=SKY, label="pool")
        axes.barh([row + 0.19 for row in rows], [labels for *_, labels in shares], 0.36, color=BLUE, label="labels")
        name_rows(axes, [name for name, *_ in shares])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        legend(figure, axes)
        return svg(figure, "Share of each source in the pool and in the labels")


def drift_timeline(windows: Sequence[tuple[int, str, float]]) -> str:
    """Affected share of each window, marked by level.

    Args:
        windows: (number, level, affected share), the oldest first.
    """
    with style():
        figure, axes = frame(HEIGHT)
        axes.plot([number for number, *_ in windows], [share for *_, share in windows], color=FAINT, lw=1, zorder=1)
        for level, (colour, marker) in LEVELS.items():
            numbers = [number for number, found, _ in windows if found == level]
            shares = [share for _, found, share in windows if found == level]
            if numbers:
                axes.scatter(numbers, shares, color=colour, marker=marker, s=28, label=level, zorder=2)
        axes.set(xlabel="window", ylabel="affected share")
        axes.set_ylim(0, max(0.1, *(1.1 * share for *_, share in windows)))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        legend(figure, axes)
        return svg(figure, "Share of each window that drift affects, with the window's level")
