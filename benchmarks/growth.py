"""How fast figures grow: slopes, and the picture of them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from skreg.display._style import COLORS

#: The first contestant is ours; line and marker tell them apart without colours too.
LINES = (
    {"color": COLORS["blue"], "marker": "o", "linestyle": "-"},
    {"color": COLORS["vermillion"], "marker": "s", "linestyle": "--", "markerfacecolor": "white"},
)
FIGURES = {"seconds": "seconds", "mb": "MB above the table"}


def points(sizes, measured, figure):
    """Sizes and values of a figure, "seconds" or "mb", of one contestant, where it is above zero."""
    pairs = [(size, one[figure]) for size, one in zip(sizes, measured, strict=True) if one[figure]]
    return np.array(pairs, dtype=float).reshape(-1, 2).T


def slope(sizes, values):
    """The power of the size with which a value grows, over the upper half of the axis.

    What a call costs whatever the size hides growth at small sizes, so they do not count. Least squares on
    logarithmic axes; nan with fewer than two points there.

    >>> from benchmarks.growth import slope
    >>> round(slope([1, 10, 100, 1000], [5.0, 5.0, 10.0, 100.0]), 6)
    1.0
    """
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if len(sizes) < 2:
        return float("nan")
    upper = sizes >= np.sqrt(sizes.min() * sizes.max()) * (1 - 1e-9)
    if upper.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[upper]), np.log(values[upper]), 1)[0])


def picture(result):
    """A column of panels an axis, time above memory, both logarithmic, with the slopes.

    The result is that of `benchmarks.scaling.measure`.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots(len(FIGURES), len(result), sharex="col", squeeze=False)
    for column, (name, axis) in enumerate(result.items()):
        for ax, kind in zip(axes[:, column], FIGURES, strict=True):
            _panel(ax, axis, kind)
        axes[-1, column].set_xlabel(name)
    for ax, label in zip(axes[:, 0], FIGURES.values(), strict=True):
        ax.set_ylabel(label)
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
