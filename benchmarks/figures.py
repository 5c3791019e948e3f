"""The pictures of the page on tables, as SVG files that are the same on each run."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from skreg.display._style import COLORS, fit_labels, label_log_axis

#: Fixed, so that a page written twice is the same to the byte.
STABLE = {"svg.hashsalt": "skreg"}
#: Inches of a picture, and of a row of text in it.
WIDTH, INCH_A_ROW = 8, 0.22
#: Letters of a label at most.
LABEL = 20
#: Points from a dot to a label that needs no line to it.
NEAR = 9


def save(figure, path):
    """Write a figure without a date."""
    with matplotlib.rc_context(STABLE):
        figure.savefig(path, format="svg", metadata={"Date": None})


def color_of(method):
    """Ours stand out from the peers."""
    return COLORS["blue"] if method.startswith("skreg") else COLORS["grey"]


def rank_diagram(mean_ranks, difference, groups):
    """Critical-difference diagram: mean ranks on a line, bars over methods that do not differ.

    Parameters
    ----------
    mean_ranks : Series
        Method to mean rank.
    difference : float
        The critical difference.
    groups : list of list of str
        `benchmarks.ranking.cliques`.

    Returns
    -------
    matplotlib Figure
    """
    ordered = mean_ranks.sort_values()
    low, high = 1, max(len(ordered), 2)
    n_left = (len(ordered) + 1) // 2
    first_label = 1.6 + 0.7 * len(groups)
    depth = first_label + n_left
    names = fit_labels(ordered.index, width=LABEL, lines=1)
    side = 0.75 + 0.08 * max(map(len, names))
    figure = Figure(figsize=(WIDTH, INCH_A_ROW * (depth + 4.1)))
    ax = figure.add_axes((0, 0, 1, 1))
    margin = (high - low) * side / (WIDTH - 2 * side)
    ax.set(xlim=(low - margin, high + margin), ylim=(depth + 0.5, -3.6))
    ax.axis("off")
    _scale(ax, low, high, difference)
    for i, (method, rank) in enumerate(ordered.items()):
        left = i < n_left
        y = first_label + (i if left else len(ordered) - 1 - i)
        end = low - 0.05 * margin if left else high + 0.05 * margin
        ax.plot([rank, rank, end], [0, y, y], color=color_of(method), linewidth=1)
        text = f"{names[i]}  {rank:.2f}" if left else f"{rank:.2f}  {names[i]}"
        where = {"ha": "right" if left else "left", "va": "center"}
        ax.text(end + (-1 if left else 1) * 0.02 * margin, y, text, color=color_of(method), **where)
    for i, group in enumerate(groups):
        ends = [ordered[group[0]] - 0.01 * margin, ordered[group[-1]] + 0.01 * margin]
        ax.plot(ends, [0.8 + 0.7 * i] * 2, color="black", linewidth=3.5, solid_capstyle="butt")
    return figure


def _scale(ax, low, high, difference):
    """The line of ranks, and the length of the critical difference above it."""
    ax.plot([low, high], [0, 0], color="black", linewidth=1)
    for rank in range(low, high + 1):
        ax.plot([rank, rank], [0, -0.3], color="black", linewidth=1)
        ax.text(rank, -0.45, str(rank), ha="center", va="bottom")
    ends = [low, low + difference]
    ax.plot(ends, [-2, -2], color="black", linewidth=1, marker="|", markersize=6)
    ax.text(low, -2.4, f"critical difference {difference:.2f}", va="bottom")


def score_against_time(seconds, scores, given=()):
    """Mean normalised score against fit time on a logarithmic axis, one labelled dot a method.

    Parameters
    ----------
    seconds, scores : Series
        Method to value.
    given : collection of str
        Methods that were not run here, drawn hollow.

    Returns
    -------
    matplotlib Figure
    """
    figure = Figure(figsize=(WIDTH, 5), layout="constrained")
    ax = figure.add_subplot()
    for method in scores.index:
        color = color_of(method)
        face = "none" if method in given else color
        ax.plot(
            seconds[method], scores[method], "o", color=color, markerfacecolor=face, markersize=7
        )
    ax.set_xscale("log")
    ax.margins(0.12)
    ax.set_xlabel("seconds of a fit, geometric mean over tables")
    ax.set_ylabel("normalised score, mean over tables")
    ax.grid(alpha=0.25)
    label_log_axis(ax.xaxis)
    place_labels(ax, {m: (seconds[m], scores[m]) for m in scores.index})
    return figure


def place_labels(ax, points):
    """Write a label beside each point, where it lies on no other label and no point.

    Parameters
    ----------
    ax : matplotlib Axes
        With its limits as they will be.
    points : dict of str to tuple of float
        In data coordinates.

    Returns
    -------
    list of matplotlib Annotation
        The labels; thin lines lead to those that are far from their point.
    """
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    frame = ax.get_window_extent(renderer)
    pixels = {name: ax.transData.transform(point) for name, point in points.items()}
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in pixels.values()]
    labels = []
    texts = dict(zip(points, fit_labels(points, width=LABEL, lines=1), strict=True))
    for name in sorted(points, key=lambda name: -pixels[name][1]):
        label = ax.annotate(
            texts[name],
            points[name],
            (NEAR, 0),
            textcoords="offset points",
            color=color_of(name),
            fontsize=9,
        )
        taken.append(_place(label, frame, taken, renderer))
        labels.append(label)
        if np.hypot(*label.xyann) > NEAR:
            line = {"arrowstyle": "-", "color": COLORS["grey"], "linewidth": 0.5}
            ax.annotate("", points[name], label.xyann, "data", "offset points", arrowprops=line)
    return labels


def _place(label, frame, taken, renderer):
    """Move a label to the nearest free place inside the frame; its box there."""
    for radius in (NEAR, 16, 26, 38, 52, 68, 86, 106, 130):
        for angle in np.deg2rad([0, 180, 45, 135, -45, -135, 75, 105, -75, -105]):
            label.xyann = (radius * np.cos(angle), radius * np.sin(angle))
            label.set(ha="left" if np.cos(angle) > 0 else "right", va="center")
            box = label.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1
            inside = inside and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                return box
    return box
