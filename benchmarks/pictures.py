"""The pictures of searches and of growth, from stored results."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.figures import save
from benchmarks.scaling import points, slope
from skreg.display._style import COLORS

#: Okabe and Ito's blue for ours, greys for the others: readable without colours as well.
COLOURS = ("#0072B2", "#56B4E9", "#999999", "#CCCCCC")


def draw_searches(result, path):
    """One panel a search, one bar a contestant, seconds on a scale of its own.

    Parameters
    ----------
    result : dict
        As `benchmarks.search.measure` gives it.
    path : Path
    """
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots(len(result), 1)
    for ax, case in zip(axes, result.values(), strict=True):
        names, seconds = list(case["seconds"]), list(case["seconds"].values())
        bars = ax.barh(names, seconds, color=COLOURS)
        ratios = case["times faster"].values()
        labels = [
            f"{s:.1f} s" + (f" ({r:.1f} x)" if r != 1 else "")
            for s, r in zip(seconds, ratios, strict=True)
        ]
        ax.bar_label(bars, labels, padding=4)
        ax.invert_yaxis()
        ax.margins(x=0.15)
        ax.set_title(case["what"].rstrip("."), loc="left", fontsize="small", x=-0.27)
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("seconds of the whole grid search, refit included")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)


#: The first contestant is ours; line and marker tell them apart without colours too.
LINES = (
    {"color": COLORS["blue"], "marker": "o", "linestyle": "-"},
    {"color": COLORS["vermillion"], "marker": "s", "linestyle": "--", "markerfacecolor": "white"},
)
FIGURES = {"seconds": "seconds", "mb": "MB above the table"}


def draw_growth(result, path):
    """A column of panels an axis, time above memory, both logarithmic, with the slopes.

    Parameters
    ----------
    result : dict
        As `benchmarks.scaling.measure` gives it.
    path : Path
        Of an SVG file.
    """
    save(growth(result), path)


def growth(result):
    """The figure that `draw_growth` saves."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(len(FIGURES), len(result), sharex="col", squeeze=False)
    for column, (name, axis) in enumerate(result.items()):
        for row, (kind, label) in enumerate(FIGURES.items()):
            ax = axes[row, column]
            _panel(ax, axis, kind)
            if column == 0:
                ax.set_ylabel(label)
        axes[-1, column].set_xlabel(name)
    figure.align_ylabels()
    return figure


def _panel(ax, axis, kind):
    """One figure of all contestants, and linear growth from the first one's largest size down."""
    ax.set(xscale="log", yscale="log")
    linear = None
    for (name, measured), line in zip(axis["contestants"].items(), LINES, strict=True):
        sizes, values = points(axis["sizes"], measured, kind)
        power = slope(sizes, values)
        label = name if np.isnan(power) else f"{name}, slope {power:.2f}"
        ax.plot(sizes, values, label=label, **line)
        if linear is None and len(sizes):
            linear = sizes, values[-1] * sizes / sizes[-1]
    low, high = ax.get_ylim()
    # Room above the lines for the names; linear growth is drawn as far as there are values.
    ax.set_ylim(low, high * (high / low) ** 0.35)
    if linear is not None:
        ax.plot(*linear, ":", color=COLORS["grey"], linewidth=1, zorder=1)
    # At most four numbers below an axis, the largest size among them.
    ticks = axis["sizes"][::-1][:: (len(axis["sizes"]) + 3) // 4][::-1]
    ax.set_xticks(ticks, [f"{size:,}" for size in ticks])
    ax.yaxis.set_major_locator(LogLocator(numticks=6))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    for side in (ax.xaxis, ax.yaxis):
        side.set_minor_locator(NullLocator())
    ax.legend(loc="upper left", frameon=False, fontsize="small")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
