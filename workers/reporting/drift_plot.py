"""A picture of the drift watch: the last windows, and the sources of one beside the reference's. Pure."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from workers.reporting.drawing import BLUE, FAINT, HEIGHT, SKY, WIDTH, legend, name_rows, style
from workers.reporting.plots import LEVELS

_SOURCES_SHOWN = 12
_DOTS_PER_INCH = 160


def window_png(windows: Sequence[tuple[int, str, float]], number: int, findings: Mapping[str, Any]) -> bytes:
    """A PNG image.

    Args:
        windows: (number, level, affected share), the oldest first.
        number: Of the window that is shown.
        findings: Of this window.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 2 * HEIGHT), layout="constrained")
        over_time, by_source = figure.subplots(2, 1)
        over_time.plot(
            [one for one, *_ in windows], [affected for *_, affected in windows], color=FAINT, lw=1, zorder=1
        )
        for level, (colour, marker) in LEVELS.items():
            found = [(one, affected) for one, of, affected in windows if of == level]
            if found:
                over_time.scatter(*zip(*found, strict=True), color=colour, marker=marker, s=28, label=level, zorder=2)
        over_time.axvline(number, color=FAINT, lw=6, alpha=0.5, zorder=0)
        over_time.set(xlabel="window", ylabel="affected share")
        over_time.set_ylim(0, max(0.1, *(1.1 * affected for *_, affected in windows)))
        over_time.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        over_time.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        legend(figure, over_time)
        sources = sorted(findings.get("sources", []), key=lambda one: -abs(one["z"]))[:_SOURCES_SHOWN]
        rows = range(len(sources))
        by_source.barh([row - 0.19 for row in rows], [one["reference"] for one in sources], 0.36, color=SKY)
        by_source.barh([row + 0.19 for row in rows], [one["window"] for one in sources], 0.36, color=BLUE)
        name_rows(by_source, [one["source"] for one in sources])
        by_source.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        by_source.set_xlabel(f"share of each source: reference (light), window {number} (dark)")
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=_DOTS_PER_INCH)
    return image.getvalue()
