"""The report's plots as inline SVG. Pure: values in, text out; no state of matplotlib's is touched.

Colours are those of Okabe and Ito, "Color Universal Design" (2008), which colour-blind people tell apart; no meaning
rests on colour alone.
"""

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from workers.reporting.plain import one_line

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
_INK, _FAINT = "#2b2b33", "#c9c9d2"
_CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW)
LEVELS: dict[str, tuple[str, str]] = {
    "quiet": (_FAINT, "o"),
    "note": (SKY, "D"),
    "warn": (ORANGE, "^"),
    "act": (RED, "s"),
}
"""Colour and marker of each drift level."""

# Inches; small, so that the letters are still read on a phone, where the plot shrinks to the screen's width.
_WIDTH, _HEIGHT, _ROW, _FRAME = 5.6, 2.9, 0.26, 0.9
_LONGEST_NAME = 28
_METADATA = ("Date", "Creator", "Format", "Type")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "quietcorner",  # the same figures give the same bytes
    "text.parse_math": False,  # a class may have a $ in its name
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececf1",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Estimate:
    """A named value between 0 and 1 with its 95 % interval; `sure` is false when too few items stand behind it."""

    name: str
    value: float
    low: float
    high: float
    sure: bool


def learning_curve(labels: Sequence[int], values: Sequence[float], bands: Sequence[tuple[float, float]]) -> str:
    """Macro-F1 by number of labeled items.

    Args:
        labels: (n,) labeled items behind each model version, ascending.
        values: (n,) macro-F1.
        bands: (n,) low and high end of its 95 % interval.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(_HEIGHT)
        axes.fill_between(labels, [low for low, _ in bands], [high for _, high in bands], color=SKY, alpha=0.3, lw=0)
        axes.vlines(labels, [low for low, _ in bands], [high for _, high in bands], color=SKY, lw=1)
        axes.plot(labels, values, color=BLUE, marker="o", markersize=4, lw=1.8)
        axes.set(ylim=(0, 1), xlabel="labeled items", ylabel="macro-F1 on the audit sample")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        return _svg(figure, "Macro-F1 on the audit sample by number of labeled items, with its 95 % interval")


def recalls(estimates: Sequence[Estimate]) -> str:
    """Recall of each class with its interval, the first at the top; hollow where too few items stand behind it."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(_FRAME + _ROW * len(estimates))
        for row, estimate in enumerate(estimates):
            colour = BLUE if estimate.sure else "#8b8b96"
            axes.plot([estimate.low, estimate.high], [row, row], color=colour, lw=2, alpha=0.6)
            axes.plot(estimate.value, row, "o", color=colour, markerfacecolor=colour if estimate.sure else "white")
        _name_rows(axes, [estimate.name for estimate in estimates])
        axes.set(xlim=(-0.02, 1.02), xlabel="recall on the audit sample")
        return _svg(figure, "Recall of each class on the audit sample, with its 95 % interval")


def stacked_labels(counts: Mapping[str, Mapping[str, int]], sources: Sequence[str]) -> str:
    """Labeled items by class, each bar divided by source.

    Args:
        counts: class -> source -> labeled items; the first at the top.
        sources: in the order in which they stand in a bar; at most seven are told apart.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(_FRAME + 0.3 + _ROW * len(counts))
        left = [0] * len(counts)
        for number, source in enumerate(sources):
            width = [of_class.get(source, 0) for of_class in counts.values()]
            # A legend leaves out what begins with an underscore.
            axes.barh(
                range(len(counts)), width, left=left, color=_CYCLE[number], height=0.7, label=_short(source).lstrip("_")
            )
            left = [so_far + more for so_far, more in zip(left, width, strict=True)]
        _name_rows(axes, list(counts))
        axes.set(xlabel="labeled items")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _legend(figure, axes)
        return _svg(figure, "Labeled items by class and source")


def source_mix(shares: Sequence[tuple[str, float, float]]) -> str:
    """Each source's share of the pool beside its share of the labels; the first at the top.

    Args:
        shares: (name, share of the items, share of the labels).
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(_FRAME + 0.3 + 1.6 * _ROW * len(shares))
        rows = range(len(shares))
        axes.barh([row - 0.19 for row in rows], [pool for _, pool, _ in shares], 0.36, color=SKY, label="pool")
        axes.barh([row + 0.19 for row in rows], [labels for *_, labels in shares], 0.36, color=BLUE, label="labels")
        _name_rows(axes, [name for name, *_ in shares])
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _legend(figure, axes)
        return _svg(figure, "Share of each source in the pool and in the labels")


def drift_timeline(windows: Sequence[tuple[int, str, float]]) -> str:
    """Affected share of each window, marked by level.

    Args:
        windows: (number, level, affected share), the oldest first.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(_HEIGHT)
        axes.plot([number for number, *_ in windows], [share for *_, share in windows], color=_FAINT, lw=1, zorder=1)
        for level, (colour, marker) in LEVELS.items():
            numbers = [number for number, found, _ in windows if found == level]
            shares = [share for _, found, share in windows if found == level]
            if numbers:
                axes.scatter(numbers, shares, color=colour, marker=marker, s=28, label=level, zorder=2)
        axes.set(xlabel="window", ylabel="affected share")
        axes.set_ylim(0, max(0.1, *(1.1 * share for *_, share in windows)))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        _legend(figure, axes)
        return _svg(figure, "Share of each window that drift affects, with the window's level")


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _legend(figure: Figure, axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside upper left", ncols=4, fontsize=9, handlelength=1.2, columnspacing=1.2)


def _short(name: str) -> str:
    # XML has no control characters.
    return one_line(name, longest=_LONGEST_NAME)


def _svg(figure: Figure, description: str) -> str:
    text = io.StringIO()
    with warnings.catch_warnings():
        # A letter that matplotlib's own font lacks is shown by the reader's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
