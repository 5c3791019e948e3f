"""Figures with a row for each candidate: their height, their labels, their order."""

from __future__ import annotations

from ._style import COLORS, FIGSIZE, escape_math, fit_labels

ROW_HEIGHT = 0.27  # inches that a label of one line needs
FRAME_HEIGHT = 0.9  # inches of axis labels, title and legend


def rows_figsize(n_rows):
    """Width and height in inches: 6 by 4, and taller from the 12th row on."""
    return FIGSIZE[0], max(FIGSIZE[1], FRAME_HEIGHT + ROW_HEIGHT * n_rows)


def set_rows(ax, names, right_labels=None, right_title=None):
    """Name the rows 0, 1, ... of an axis, the first on top.

    The height of a row decides the font size and the number of lines, so that neighbours do not
    overlap.

    Parameters
    ----------
    ax : matplotlib Axes
        The rows are at the heights 0, 1, ...

    names : sequence of str
        One for each row; long names are cut.

    right_labels : sequence of str or None, default=None
        Texts at the right end of the rows.

    right_title : str or None, default=None
        Heading of `right_labels`.
    """
    rows = range(len(names))
    ax.set_ylim(len(names) - 0.4, -0.6)
    width, height = size_in_points(ax)
    height /= max(1, len(names))
    size = min(9.0, height / 1.25)
    lines = 2 if height >= 2 * 1.25 * size else 1
    # A letter is about 0.6 of its size wide; the names may take half of the width of the axes.
    n_letters = int(min(26 if lines == 1 else 22, 0.5 * width / (0.6 * size)))
    ax.set_yticks(rows, fit_labels(names, width=n_letters, lines=lines))
    ax.tick_params(axis="y", labelsize=size, length=0)
    ax.tick_params(axis="x", labelsize=9)
    # A number on the axis below needs some 60 points.
    ax.locator_params(axis="x", nbins=max(3, int(width / 60)))
    for row in rows:
        ax.axhline(row, color=COLORS["grey"], alpha=0.2, linewidth=0.6, zorder=0)
    if right_labels is None:
        return
    right = ax.secondary_yaxis("right")
    right.set_yticks(rows, right_labels)
    right.tick_params(axis="y", labelsize=size, length=0)
    right.spines["right"].set_visible(False)
    if right_title:
        right.set_ylabel(right_title, fontsize=size)


def label_below(ax, *parts):
    """Name the horizontal axis, in one line, or where it is narrow with a line for each part."""
    # A letter is about 5.5 points wide; the names at the left leave three quarters of the width.
    narrow = len(" ".join(parts)) * 5.5 > 0.75 * size_in_points(ax)[0]
    ax.set_xlabel(escape_math(("\n" if narrow else " ").join(parts)))


def legend_above(ax, handles, labels):
    """A legend above the axes, in one line or two, that ends where the axes end.

    Parameters
    ----------
    ax : matplotlib Axes
        Nothing is drawn without handles.

    handles : sequence of matplotlib Artist
        What is explained.

    labels : sequence of str
        The explanations.
    """
    if not handles:
        return
    n_letters = sum(len(label) + 6 for label in labels)
    narrow = n_letters * 5 > 1.2 * size_in_points(ax)[0]
    ax.legend(
        handles,
        labels,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=(len(labels) + 1) // 2 if narrow else len(labels),
        fontsize="small",
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.2,
        borderpad=0.2,
    )


def size_in_points(ax):
    """Width and height of an axes."""
    box = ax.get_window_extent()
    return box.width / ax.figure.dpi * 72, box.height / ax.figure.dpi * 72


def find_far(spans, centre, *, ratio=3.0):
    """The few rows that lie far below all others.

    Parameters
    ----------
    spans : DataFrame of shape (n_rows, 2)
        The columns ``low`` and ``high``, what each row reaches.

    centre : float
        Where from distance is measured.

    ratio : float, default=3.0
        Rows that reach at least so many times as far as the farthest of the others are far. At
        most a third of the rows can be, and none that reaches above the centre: what is good is
        never cut.

    Returns
    -------
    far : Index
        A part of the index of `spans`, as few rows as fulfil this, empty where nothing is far.
    """
    reach = (spans - centre).abs().max(axis=1).dropna().sort_values(ascending=False, kind="stable")
    for n_far in range(1, len(reach) // 3 + 1):
        far = reach.index[:n_far]
        if spans.loc[far[-1], "high"] >= centre:
            break
        if reach.iloc[n_far - 1] >= ratio * reach.iloc[n_far] > 0:
            return far
    return reach.index[:0]


def cut_far_rows(ax, spans, *, centre, texts):
    """Let rows that lie far below leave the axes, with a number at the edge in their place.

    A dummy is often ten times as far from the plain net as anything else, and would press all
    other rows together.

    Parameters
    ----------
    ax : matplotlib Axes
        With rows at the heights 0, 1, ...

    spans : DataFrame of shape (n_rows, 2)
        The columns ``low`` and ``high``, what each row reaches; the index holds the heights.

    centre : float
        Where from distance is measured; it stays inside the axes.

    texts : Series of str
        What stands at the edge, for each row.

    Returns
    -------
    labels : dict of int to matplotlib Text
        Those of the rows that were cut, by height.
    """
    far = find_far(spans, centre)
    if far.empty:
        return {}
    near = spans.drop(index=far)
    low, high = min(centre, near["low"].min()), max(centre, near["high"].max())
    margin = 0.12 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    size = ax.yaxis.get_ticklabels()[0].get_fontsize()
    return {
        row: ax.text(
            0.01,
            row,
            f"\N{LEFTWARDS ARROW} {texts[row]}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=size,
            color=COLORS["grey"],
        )
        for row in far
    }
