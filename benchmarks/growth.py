"""How fast figures grow: slopes, and the picture of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from skreg.display._style import COLORS

#: The first contestant is ours; line and marker tell them apart without colours too.
LINES = (
    {"color": COLORS["blue"], "marker": "o", "linestyle": "-"},
    {"color": COLORS["vermillion"], "marker": "s", "linestyle": "--", "markerfacecolor": "white"},
)
FIGURES = {"seconds": "seconds", "mb": "MB above the table"}


def values_of(axis, contestant, figure):
    """A figure, "seconds" or "mb", of one contestant by size, where it is above zero."""
    values = pd.DataFrame(axis["contestants"][contestant], axis["sizes"])[figure].astype(float)
    return values[values > 0]


def slope(values):
    """The power of the size with which a Series grows, over the upper half of the axis.

    What a call costs whatever the size hides growth at small sizes, so they do not count. Least squares on
    logarithmic axes; nan with fewer than two points there.

    >>> import pandas as pd
    >>> from benchmarks.growth import slope
    >>> round(slope(pd.Series([5.0, 5.0, 10.0, 100.0], [1, 10, 100, 1000])), 6)
    1.0
    """
    logs = np.log(values.set_axis(np.log(values.index.to_numpy(float))))
    upper = logs[logs.index >= (logs.index.min() + logs.index.max()) / 2 - 1e-9]
    return float(np.polyfit(upper.index, upper, 1)[0]) if len(upper) > 1 else float("nan")


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
    for name, line in zip(axis["contestants"], LINES, strict=True):
        values = values_of(axis, name, kind)
        power = slope(values)
        label = name if np.isnan(power) else f"{name}, slope {power:.2f}"
        ax.plot(values.index, values, label=label, **line)
        if linear is None and len(values):
            linear = values.index, values.iloc[-1] * values.index / values.index[-1]
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
