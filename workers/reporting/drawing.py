"""How the report's plots are drawn: style, frame, and inline SVG. Pure; no state of matplotlib's is touched.

Colours are those of Okabe and Ito, "Color Universal Design" (2008), which colour-blind people tell apart; no meaning
rests on colour alone.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workers.reporting.plain import one_line

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, SOFT, FAINT = "#2b2b33", "#8b8b96", "#c9c9d2"
LINES = (
    (BLUE, "-", "o"),
    (RED, "--", "s"),
    (GREEN, "-.", "^"),
    (ORANGE, ":", "D"),
    (PURPLE, (0, (6, 1.5)), "v"),
    (SKY, (0, (1, 1)), "P"),
    (INK, (0, (4, 1, 1, 1, 1, 1)), "X"),
)
"""Colour, dashes and marker of each of several lines."""
FILLS = (
    (BLUE, ""),
    (ORANGE, "//"),
    (GREEN, ""),
    (PURPLE, "\\\\"),
    (SKY, ""),
    (RED, "xx"),
    (YELLOW, ""),
    (INK, ""),
    (FAINT, ".."),
)
"""Colour and hatching of each of several stacked bars."""

# Inches; small, so that the letters are still read on a phone, where the plot shrinks to the screen's width.
WIDTH, HEIGHT, ROW, FRAME = 5.6, 2.9, 0.26, 0.9
_PANEL_HEIGHT = 2.3
_LONGEST_NAME = 28
_METADATA = ("Date", "Creator", "Format", "Type")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "quietcorner",  # the same figures give the same bytes
    "text.parse_math": False,  # a class may have a $ in its name
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececf1",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """The style in which a plot is drawn and saved."""
    with mpl.rc_context(_STYLE):
        yield


def frame(height: float) -> tuple[Figure, Axes]:
    """An empty plot of the report's width and this height, in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of some small plots, two in a row."""
    rows = (count + 1) // 2
    figure = Figure(figsize=(WIDTH, 0.3 + _PANEL_HEIGHT * rows), layout="constrained")
    axes = figure.subplots(rows, min(count, 2), squeeze=False).ravel().tolist()
    for unused in axes[count:]:
        unused.remove()
    return figure, axes[:count]


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows of a plot, the first at the top."""
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def legend(figure: Figure, axes: Axes, *, columns: int = 4) -> None:
    """What the marks of `axes` mean, above the plot."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, names, loc="outside upper left", ncols=columns, fontsize=9, handlelength=2.2, columnspacing=1.2
        )


def short(name: str, *, longest: int = _LONGEST_NAME) -> str:
    """A name as a plot has room for it: cut in the middle, since names of many classes often begin or end alike."""
    # XML has no control characters.
    line = one_line(name, longest=10 * longest)
    if len(line) <= longest:
        return line
    tail = longest // 3
    return f"{line[: longest - tail - 1]}…{line[-tail:]}"


def in_legend(name: str) -> str:
    """A name as a legend shows it, which leaves out what begins with an underscore."""
    return short(name).lstrip("_")


def svg(figure: Figure, description: str) -> str:
    """The figure as inline SVG; `description` is read to who can't see it."""
    text = io.StringIO()
    with warnings.catch_warnings():
        # A letter that matplotlib's own font lacks is shown by the reader's.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    image = text.getvalue()
    image = image[image.index("<svg") :]
    image = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", image, count=1)
    image = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", image, count=1)
    return image.replace("<svg", f'<svg role="img" aria-label="{escape(one_line(description, longest=2_000))}"', 1)
