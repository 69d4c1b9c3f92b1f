"""Plots of how good the newest model version is: curves, calibration, confusions, prevalences. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from workers.reporting.confusions import Confusions
from workers.reporting.drawing import (
    BLUE,
    FAINT,
    FRAME,
    INK,
    LINES,
    ORANGE,
    RED,
    ROW,
    SKY,
    SOFT,
    WIDTH,
    frame,
    in_legend,
    legend,
    name_rows,
    panels,
    short,
    style,
    svg,
)
from workers.reporting.measured import Measure

_SMALL = 8.5
_PANEL_NAME = 30
_SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", SKY, BLUE, "#00364f"])
_COLUMN_NAME = 16
# Shares below it stand at the left edge of a logarithmic axis.
_LEAST_SHARE = 1e-4
# Median probability below which a linear axis would crowd most points into its corner.
_SMALL_PROBABILITY = 0.05


@dataclass(frozen=True)
class Estimate:
    """A named value between 0 and 1 with its 95 % interval; `sure` is false when too few items stand behind it."""

    name: str
    value: float
    low: float
    high: float
    sure: bool


@dataclass(frozen=True)
class PrecisionRecall:
    """The curve of one class.

    Attributes:
        name: of the class.
        recall: (n,) rising.
        precision: (n,) at each recall.
        area: PR-AUC.
        decided: recall and precision of the decisions; None where one is not known.
        wanted: recall and precision of the goal, None where nothing is wanted.
        prevalence: share of the pool: the precision of chance.
    """

    name: str
    recall: Sequence[float]
    precision: Sequence[float]
    area: Measure | None
    decided: tuple[Measure, Measure] | None
    wanted: tuple[float | None, float | None]
    prevalence: float | None


@dataclass(frozen=True)
class CostCurve:
    """Mean cost of an item by the share of the pool that is decided for one class.

    Attributes:
        name: of the class.
        flagged: (n,) share of the pool.
        cost: (n,) mean cost an item.
        operating: share of the pool that the decisions flag; None where it is not known.
    """

    name: str
    flagged: Sequence[float]
    cost: Sequence[float]
    operating: float | None

    @property
    def best(self) -> tuple[float, float]:
        """Share flagged and cost where it is least."""
        place = int(np.argmin(self.cost))
        return self.flagged[place], self.cost[place]

    @property
    def operating_cost(self) -> float | None:
        """Cost on the curve where the decisions are."""
        if self.operating is None:
            return None
        order = np.argsort(self.flagged)
        return float(np.interp(self.operating, np.array(self.flagged)[order], np.array(self.cost)[order]))


def recalls(estimates: Sequence[Estimate]) -> str:
    """Recall of each class with its interval, the first at the top; hollow where too few items stand behind it."""
    with style():
        figure, axes = frame(FRAME + ROW * len(estimates))
        for row, estimate in enumerate(estimates):
            colour = BLUE if estimate.sure else SOFT
            axes.plot([estimate.low, estimate.high], [row, row], color=colour, lw=2, alpha=0.6)
            axes.plot(estimate.value, row, "o", color=colour, markerfacecolor=colour if estimate.sure else "white")
        name_rows(axes, [estimate.name for estimate in estimates])
        axes.set(xlim=(-0.02, 1.02), xlabel="recall on the audit sample")
        return svg(figure, "Recall of each class on the audit sample, with its 95 % interval")


def precision_recall(curves: Sequence[PrecisionRecall]) -> str:
    """A small plot for each class: its curve, where the decisions are, the goal, and what chance would reach."""
    with style():
        figure, axes = panels(len(curves))
        for panel, curve in zip(axes, curves, strict=True):
            _precision_recall(panel, curve)
        _outer_labels(axes, "recall", "precision")
        _shared_legend(figure, axes)
        return svg(figure, "Precision by recall. " + " ".join(_told(curve) for curve in curves))


def _precision_recall(axes: Axes, curve: PrecisionRecall) -> None:
    area = "" if curve.area is None else f"\narea {_told_measure(curve.area)}"
    axes.set_title(f"{short(curve.name, longest=_PANEL_NAME)}{area}", fontsize=9, loc="left")
    if curve.prevalence is not None:
        axes.axhline(curve.prevalence, color=SOFT, lw=1, ls=":", label="chance")
    axes.plot(curve.recall, curve.precision, color=BLUE, lw=1.8, drawstyle="steps-pre", label="curve")
    recall, precision = curve.wanted
    if recall is not None and precision is not None:
        axes.plot(
            recall, precision, "*", color=ORANGE, markeredgecolor=INK, markersize=13, ls="none", label="goal", zorder=3
        )
    elif recall is not None:
        axes.axvline(recall, color=ORANGE, lw=1.6, ls="--", label="goal of one rate")
    elif precision is not None:
        axes.axhline(precision, color=ORANGE, lw=1.6, ls="--", label="goal of one rate")
    if curve.decided is not None:
        _cross(axes, *curve.decided)
    axes.set(xlim=(-0.02, 1.03), ylim=(-0.03, 1.05), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


def _cross(axes: Axes, recall: Measure, precision: Measure) -> None:
    """A point with the intervals of both its places."""
    if recall.interval:
        axes.plot(recall.interval, [precision.value] * 2, color=RED, lw=1, alpha=0.7, zorder=3)
    if precision.interval:
        axes.plot([recall.value] * 2, precision.interval, color=RED, lw=1, alpha=0.7, zorder=3)
    axes.plot(
        recall.value,
        precision.value,
        "o",
        color=RED,
        markeredgecolor="white",
        markersize=7,
        ls="none",
        label="decisions",
        zorder=4,
    )


def _told(curve: PrecisionRecall) -> str:
    at = ""
    if curve.decided is not None:
        at = f", decisions at recall {curve.decided[0].value:.2f} and precision {curve.decided[1].value:.2f}"
    return f"{short(curve.name)}:{f' area {curve.area.value:.2f}' if curve.area else ' area not known'}{at}."


@dataclass(frozen=True)
class Bin:
    """Items of about one probability: how often what was said was so, with its 95 % interval, and their share."""

    probability: float
    frequency: float
    low: float
    high: float
    share: float


def reliability(bins: Sequence[Bin], title: str, *, before: Sequence[Bin] = ()) -> str:
    """How often what was said with a probability was so; on logarithmic axes where most probabilities are small.

    `before` is the same of the probabilities before calibration, where that is known.
    """
    with style():
        figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
        axes = figure.subplots()
        said = [one.probability for one in bins]
        small = sorted(said)[len(said) // 2] < _SMALL_PROBABILITY
        least = _LEAST_SHARE if small else 0.0
        axes.plot([least, 1], [least, 1], color=SOFT, lw=1, ls="--", label="perfect")
        if before:
            _points(axes, before, least, color=ORANGE, mark="D", label="before calibration")
        _points(axes, bins, least, color=BLUE, mark="o", label="after calibration" if before else "measured")
        axes.set(xlabel="probability that was said", ylabel="share that was so")
        if small:
            axes.set(xscale="log", yscale="log")
            _share_axis(axes.xaxis)
            _share_axis(axes.yaxis)
        else:
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_title(title, fontsize=9.5, loc="left")
        legend(figure, axes)
        return svg(figure, f"Reliability diagram: share that was so by the probability that was said. {title}")


def _points(axes: Axes, bins: Sequence[Bin], least: float, *, color: str, mark: str, label: str) -> None:
    """Each bin's probability and frequency, with its interval; what is smaller than `least` is shown there."""
    at = [max(one.probability, least) for one in bins]
    came = [max(one.frequency, least) for one in bins]
    ends = [max(one.low, least) for one in bins], [max(one.high, least) for one in bins]
    axes.vlines(at, *ends, color=color, lw=1.4, alpha=0.6)
    axes.plot(at, came, color=color, lw=0.8, alpha=0.5)
    axes.plot(at, came, mark, color=color, markersize=6, label=label)


def confusion_matrix(found: Confusions, names: Sequence[str]) -> str:
    """Share of each true class (row) that was decided to be each class (column).

    Args:
        found: at most some twenty classes.
        names: of the rows, which may say more than the class.
    """
    count = len(found.classes)
    rates = np.array([[np.nan if part is None else part for part in row] for row in found.rates])
    with style():
        side = min(0.42, 4.0 / count)
        figure = Figure(figsize=(WIDTH + max(0, count - 12) * 0.12, 1.6 + side * count), layout="constrained")
        axes = figure.subplots()
        axes.pcolormesh(np.ma.masked_invalid(rates), cmap=_SHADES, vmin=0, vmax=1, edgecolor="#ececf1", lw=0.5)
        for row, column in zip(*np.nonzero(rates >= 0.005), strict=True):  # what rounds to nothing is left blank
            _cell(axes, int(row), int(column), rates[row, column], size=8.5 if count <= 12 else 6.5)
        axes.set_xticks(
            np.arange(count) + 0.5,
            [short(name, longest=_COLUMN_NAME) for name in found.classes],
            rotation=50,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_yticks(np.arange(count) + 0.5, [short(name) for name in names])
        axes.tick_params(length=0, labelsize=9 if count <= 12 else 8)
        axes.set(xlabel="decided", ylabel="true", xlim=(0, count), ylim=(count, 0))
        axes.grid(visible=False)
        correct = "; ".join(
            f"{short(name)} {rates[place, place]:.0%}"
            for place, name in enumerate(found.classes)
            if not np.isnan(rates[place, place])
        )
        return svg(figure, f"Confusion matrix, share of each true class by decided class. Decided rightly: {correct}")


def _cell(axes: Axes, row: int, column: int, rate: float, *, size: float) -> None:
    axes.text(
        column + 0.5,
        row + 0.52,
        f"{100 * rate:.0f}",
        ha="center",
        va="center",
        fontsize=size,
        color="white" if rate > 0.55 else INK,
        fontweight="bold" if row == column else "normal",
    )


def cost_curves(curves: Sequence[CostCurve]) -> str:
    """A small plot for each class: mean cost by share flagged, where it is least, and where the decisions are."""
    with style():
        figure, axes = panels(len(curves))
        for panel, curve in zip(axes, curves, strict=True):
            _cost_curve(panel, curve)
        _outer_labels(axes, "share of the pool decided for it", "mean cost an item")
        _shared_legend(figure, axes)
        return svg(figure, "Mean cost of an item by the share of the pool that is decided for a class")


def _cost_curve(axes: Axes, curve: CostCurve) -> None:
    axes.set_title(short(curve.name, longest=_PANEL_NAME), fontsize=9.5, loc="left")
    points = list(zip(curve.flagged, curve.cost, strict=True))
    if curve.operating is not None and curve.operating_cost is not None:
        points = sorted([*points, (curve.operating, curve.operating_cost)])
    edge = max(_LEAST_SHARE, min([share for share, _ in points if share > 0], default=1.0) / 2)
    axes.plot([max(share, edge) for share, _ in points], [cost for _, cost in points], color=BLUE, lw=1.8, label="cost")
    flagged, cost = curve.best
    axes.plot(
        max(flagged, edge),
        cost,
        "D",
        color="white",
        markeredgecolor=BLUE,
        markersize=8,
        ls="none",
        label="least",
        zorder=3,
    )
    if curve.operating is not None and curve.operating_cost is not None:
        at = max(curve.operating, edge)
        axes.axvline(at, color=RED, lw=1, ls="--", zorder=1)
        axes.plot(
            at,
            curve.operating_cost,
            "o",
            color=RED,
            markeredgecolor="white",
            markersize=7,
            ls="none",
            label="decisions",
            zorder=4,
        )
    axes.set_xscale("log")
    _share_axis(axes.xaxis)
    axes.set_xlim(edge * 0.85, 1.15)
    # Deciding for all of the pool costs many times what anybody would choose.
    top = 1.1 * min(max(curve.cost), 4 * max(cost, curve.cost[0])) or 1.0
    axes.set_ylim(-0.06 * top, top)
    axes.yaxis.set_major_locator(MaxNLocator(4))


def prevalences(rows: Sequence[tuple[str, Mapping[str, Measure]]], sources: Sequence[str]) -> str:
    """Share of each class in each source with its interval, on a logarithmic axis; the first class at the top.

    Args:
        rows: (class, source -> share).
        sources: at most `MOST_LINES` are told apart.
    """
    with style():
        step = 0.15 * max(1, len(sources)) + 0.12
        figure, axes = frame(FRAME + 0.5 + step * len(rows))
        for number, (source, (colour, _, marker)) in enumerate(zip(sources, LINES, strict=False)):
            offset = (number - (len(sources) - 1) / 2) * 0.8 / max(1, len(sources))
            found = [(row + offset, of_class[source]) for row, (_, of_class) in enumerate(rows) if source in of_class]
            for height, share in found:
                low, high = share.interval or (share.value, share.value)
                axes.plot([_at_least(low), _at_least(high)], [height] * 2, color=colour, lw=1.3, alpha=0.7)
            axes.plot(
                [_at_least(share.value) for _, share in found],
                [height for height, _ in found],
                ls="none",
                marker=marker,
                color=colour,
                markersize=5,
                label=in_legend(source),
            )
        name_rows(axes, [name for name, _ in rows])
        axes.hlines(np.arange(len(rows) - 1) + 0.5, _LEAST_SHARE, 1, color="#ececf1", lw=0.8)
        axes.set_xscale("log")
        _share_axis(axes.xaxis)
        axes.set(xlabel="share of the source", xlim=(_LEAST_SHARE * 0.8, 1.2))
        legend(figure, axes, columns=3)
        return svg(figure, "Share of each class in the pool and in each source, with 95 % intervals")


def _at_least(share: float) -> float:
    return max(share, _LEAST_SHARE)


def _share_axis(axis: Axis) -> None:
    """Ticks of a logarithmic axis of shares from very small to all, in percent."""
    axis.set_major_locator(FixedLocator([1e-4, 1e-3, 1e-2, 1e-1, 1]))
    axis.set_minor_locator(FixedLocator([]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))


def _outer_labels(axes: Sequence[Axes], across: str, up: str) -> None:
    """Name the axes only where they are outermost of two columns."""
    for number, panel in enumerate(axes):
        if number >= len(axes) - 2:
            panel.set_xlabel(across, fontsize=9)
        if number % 2 == 0:
            panel.set_ylabel(up, fontsize=9)
        panel.tick_params(labelsize=_SMALL, color=FAINT)


def _shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend for several plots whose marks mean the same."""
    found: dict[str, Artist] = {}
    for panel in axes:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(str(name), handle)
    figure.legend(found.values(), found.keys(), loc="outside upper left", ncols=4, fontsize=9, handlelength=2)


def _told_measure(found: Measure) -> str:
    if found.interval is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.interval[0]:.2f} to {found.interval[1]:.2f})"
