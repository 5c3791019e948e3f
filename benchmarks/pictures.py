"""The pictures of the pages. SVG files are the same to the byte on each run."""

from __future__ import annotations

import itertools

import matplotlib
import scikit_posthocs
from matplotlib.figure import Figure

from benchmarks.methods import without_budget
from skreg.display._style import COLORS, label_log_axis

#: Inches of a picture.
WIDTH = 8
#: One a method, so that they are told apart without colours too.
MARKERS = "osD^v<>pPX*hd8H"
#: Okabe and Ito's blue for ours, greys for the others: readable without colours as well.
COLOURS = ("#0072B2", "#56B4E9", "#999999", "#CCCCCC")


def save(figure, path):
    """Write an SVG file without a date, and with fixed names of its parts."""
    with matplotlib.rc_context({"svg.hashsalt": "skreg"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def color_of(method):
    """Ours stand out from the peers."""
    return COLORS["blue"] if method.startswith("skreg") else COLORS["grey"]


def rank_diagram(ranks):
    """Critical-difference diagram of ranks, tables by methods: bars over methods that do not differ."""
    figure = Figure(figsize=(WIDTH, 1.2 + 0.2 * ranks.shape[1]), layout="constrained")
    drawn = scikit_posthocs.critical_difference_diagram(
        ranks.mean(),
        scikit_posthocs.posthoc_nemenyi_friedman(ranks),
        ax=figure.add_subplot(),
        label_fmt_left="{label}  {rank:.2f}",
        label_fmt_right="{rank:.2f}  {label}",
        text_h_margin=0.02,
        color_palette={name: color_of(name) for name in ranks},
    )
    for (bar,) in drawn["crossbars"]:
        bar.set_xdata(sorted(bar.get_xdata()))  # the order of a set differs between processes
    return figure


def score_against_time(seconds, scores):
    """Mean normalised score against fit time, both Series over methods.

    A method that was given several limits of time is one line.
    """
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    ax = figure.add_subplot()
    families = scores.groupby(without_budget, sort=False).groups
    for (name, members), marker in zip(families.items(), itertools.cycle(MARKERS)):
        # One without others goes by its whole name, its limit included.
        label = name if len(members) > 1 else members[0]
        members = seconds[members].sort_values().index
        style = {"marker": marker, "color": color_of(name), "markersize": 8}
        style["linestyle"] = "-" if len(members) > 1 else ""
        ax.plot(seconds[members], scores[members], label=label, **style)
    ax.set_xscale("log")
    ax.margins(0.12)
    ax.set_xlabel("seconds of a fit, geometric mean over tables")
    ax.set_ylabel("normalised score, mean over tables")
    ax.grid(alpha=0.25)
    label_log_axis(ax.xaxis)
    _legend_below(figure, map(len, families))
    return figure


def _legend_below(figure, lengths):
    """A legend under the axes, in as many columns as names of such lengths leave room for."""
    columns = max(1, min(4, 100 // (max(lengths) + 8)))
    figure.legend(loc="outside lower center", frameon=False, ncols=columns)


def searches(result):
    """One panel a search, one bar a contestant, seconds on a scale of its own."""
    figure = Figure(figsize=(WIDTH, 5.2), layout="constrained")
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
    return figure
