"""The pictures of the page on tables, as SVG files that are the same on each run."""

from __future__ import annotations

import itertools

import matplotlib
import scikit_posthocs
from matplotlib.figure import Figure

from skreg.display._style import COLORS, label_log_axis

#: Fixed, so that a page written twice is the same to the byte.
STABLE = {"svg.hashsalt": "skreg"}
#: Inches of a picture.
WIDTH = 8
#: One a method, so that they are told apart without colours too.
MARKERS = "osD^v<>pPX*hd8H"


def save(figure, path):
    """Write a figure without a date."""
    with matplotlib.rc_context(STABLE):
        figure.savefig(path, format="svg", metadata={"Date": None})


def color_of(method):
    """Ours stand out from the peers."""
    return COLORS["blue"] if method.startswith("skreg") else COLORS["grey"]


def rank_diagram(ranks):
    """Critical-difference diagram: mean ranks on a line, bars over methods that do not differ.

    Parameters
    ----------
    ranks : DataFrame of shape (tables, methods)
        1 is the best.

    Returns
    -------
    matplotlib Figure
    """
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
    """Mean normalised score against fit time on a logarithmic axis.

    Parameters
    ----------
    seconds, scores : Series
        Method to value.

    Returns
    -------
    matplotlib Figure
    """
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    ax = figure.add_subplot()
    for method, marker in zip(scores.index, itertools.cycle(MARKERS)):
        point = {"marker": marker, "color": color_of(method), "markersize": 8, "linestyle": ""}
        ax.plot(seconds[method], scores[method], label=method, **point)
    ax.set_xscale("log")
    ax.margins(0.12)
    ax.set_xlabel("seconds of a fit, geometric mean over tables")
    ax.set_ylabel("normalised score, mean over tables")
    ax.grid(alpha=0.25)
    label_log_axis(ax.xaxis)
    figure.legend(loc="outside right upper", frameon=False)
    return figure
