"""Time and memory against the size of the pool, as SVG."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter

from scripts.bench.scale_loop.peers import PEERS
from workers.reporting.drawing import FAINT, INK, LINES, SOFT, legend, panels, style, svg

ROUND, SELECT, PASS, READ = "a round", "the choice in it", "plain NumPy", "plain read"
_DESCRIPTION = (
    "Two plots with logarithmic axes: seconds of the processor and memory against the items of a pool, for a round, "
    "its choice, plain passes over the vectors, and the choices of other packages as far as they came."
)

Points = list[tuple[int, float]]
"""Items, and seconds or MiB."""


def draw(sizes: Sequence[Mapping[str, Any]]) -> str:
    """Both plots side by side."""
    with style():
        figure, (time, memory) = panels(2)
        figure.set_size_inches(9.5, 5.0)
        for axes, lines, name in ((time, seconds(sizes), "seconds of one core"), (memory, mebibytes(sizes), "own MiB")):
            _panel(axes, lines, name)
        legend(figure, time, columns=3)
        # A file of its own is shown on whatever the reader's page is, dark ones too.
        return svg(figure, _DESCRIPTION).replace("<svg", '<svg style="background: white"', 1)


def seconds(sizes: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """By line, the median seconds of the processor at each size where there are some."""
    lines: dict[str, Points] = {}
    for size in sizes:
        warm, limits = size["rounds"][1:], size["limits"]
        values = {
            ROUND: statistics.median(one["cpu_s"] for one in warm),
            SELECT: statistics.median(one["cpu"]["select"] for one in warm),
            PASS: limits["numpy_s"],
            READ: limits["read_s"],
            **{way["name"]: statistics.median(way["cpu_s"]) for way in _peers(size)},
        }
        _add(lines, size["items"], values)
    return lines


def mebibytes(sizes: Sequence[Mapping[str, Any]]) -> dict[str, Points]:
    """By line, the most memory of its process's own at each size where it came to an end."""
    lines: dict[str, Points] = {}
    for size in sizes:
        _add(lines, size["items"], {ROUND: size["own_mib"], **{way["name"]: way["own_mib"] for way in _peers(size)}})
    return lines


def _peers(size: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The other ways that look for diversity and came to an end."""
    return [way for way in size.get("ways", ()) if way["name"] in PEERS and way["diverse"] and way["cpu_s"]]


def _add(lines: dict[str, Points], items: int, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if value > 0:  # nothing is to be seen of 0 where axes are logarithmic
            lines.setdefault(name, []).append((items, value))


def _panel(axes: Axes, lines: Mapping[str, Points], name: str) -> None:
    ours = {ROUND: (INK, "-", "o"), SELECT: (INK, "--", "o"), PASS: (SOFT, "-", "s"), READ: (FAINT, "-", "s")}
    looks = ours | dict(zip((peer for peer, one in PEERS.items() if one.diverse), LINES, strict=False))
    for line, points in lines.items():
        colour, dashes, marker = looks[line]
        thick = 2.2 if line in (ROUND, SELECT) else 1.4
        items, values = zip(*points, strict=True)
        axes.plot(items, values, color=colour, ls=dashes, marker=marker, markersize=4, lw=thick, label=line)
    axes.set(xscale="log", yscale="log", xlabel="items in the pool", ylabel=name)
    for axis in (axes.xaxis, axes.yaxis):  # powers of ten would be told in the notation of TeX
        axis.set_major_formatter(EngFormatter(sep="") if axis is axes.xaxis else FuncFormatter(_plain))
        axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _place: int | None) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
