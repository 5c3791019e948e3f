"""What all displays share: colours, the optional dependency, labels that fit.

Nothing here imports matplotlib before a figure is asked for.
"""

from __future__ import annotations

import textwrap

import numpy as np

# Okabe and Ito, "Color Universal Design" (2008): distinguishable under the common forms of colour
# blindness. In grey they look alike, so each series has its own line style and marker as well.
COLORS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "grey": "#767676",
}

# One look for one meaning in every figure.
TRAIN = {"color": COLORS["vermillion"], "linestyle": "--", "marker": "s", "markerfacecolor": "none"}
TEST = {"color": COLORS["blue"], "linestyle": "-", "marker": "o"}

FIGSIZE = (6.0, 4.0)
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"


def require_matplotlib(caller):
    """Raise an error that names the remedy if matplotlib is missing.

    Parameters
    ----------
    caller : str
        What needs it, named in the error.

    Raises
    ------
    ImportError
        If matplotlib cannot be imported.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} draws with matplotlib, which is not installed. Install it with "
            "`pip install skreg[plot]`, or take the numbers from `frame()`."
        ) from error


def new_axes(caller, ax=None, *, figsize=FIGSIZE, n_rows=1):
    """The axes to draw on: the given ones, or those of a new figure.

    Parameters
    ----------
    caller : str
        What draws, named in errors.

    ax : matplotlib Axes, sequence of Axes or None, default=None
        ``None`` makes a new figure.

    figsize : tuple of two floats, default=(6, 4)
        Width and height of a new figure in inches.

    n_rows : int, default=1
        Panels, one above the other, sharing the horizontal axis.

    Returns
    -------
    axes : list of matplotlib Axes of length `n_rows`

    Raises
    ------
    ImportError
        If matplotlib cannot be imported.
    ValueError
        If `ax` does not hold `n_rows` axes.
    """
    require_matplotlib(caller)
    if ax is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(
            n_rows, 1, figsize=figsize, layout="constrained", sharex=True, squeeze=False
        )
        return list(axes[:, 0])
    axes = list(np.ravel(np.asarray(ax, dtype=object)))
    if len(axes) != n_rows:
        raise ValueError(
            f"{caller} draws {n_rows} panel{'s' if n_rows > 1 else ''}, but `ax` holds "
            f"{len(axes)} axes. Pass {n_rows} of them, or ax=None for a new figure."
        )
    return axes


def new_grid(caller, ax, n_panels, *, columns, panel, frame):
    """Axes side by side and one below the other: the given ones, or those of a new figure.

    Parameters
    ----------
    caller : str
        What draws, named in errors.

    ax : matplotlib Axes, sequence of Axes or None
        ``None`` makes a new figure.

    n_panels : int
        How many are needed.

    columns : int
        Panels in a row of a new figure.

    panel : tuple of two floats
        Width and height of a panel in inches.

    frame : float
        Inches of height for what is around them.

    Returns
    -------
    axes : list of matplotlib Axes of length `n_panels`

    Raises
    ------
    ImportError
        If matplotlib cannot be imported.
    ValueError
        If `ax` does not hold `n_panels` axes.
    """
    if ax is not None:
        return new_axes(caller, ax, n_rows=n_panels)
    require_matplotlib(caller)
    import matplotlib.pyplot as plt

    columns = min(columns, n_panels)
    rows = -(-n_panels // columns)
    size = max(FIGSIZE[0], columns * panel[0]), rows * panel[1] + frame
    _, axes = plt.subplots(
        rows, columns, figsize=size, layout="constrained", sharey=True, squeeze=False
    )
    axes = list(axes.ravel())
    for spare in axes[n_panels:]:
        spare.remove()
    return axes[:n_panels]


def is_wide(values, *, ratio=30.0):
    """Whether positive values span so much that a logarithmic axis shows them better.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        Finite and positive ones count; at least three different ones are needed.

    ratio : float, default=30.0
        The span is wide if the largest value is at least this many times the smallest.

    Returns
    -------
    wide : bool
    """
    values = np.asarray(values, dtype=float)
    values = np.unique(values[np.isfinite(values) & (values > 0)])
    return bool(values.size >= 3 and values[-1] / values[0] >= ratio)


def shorten(text, width):
    """Cut the middle out of a text that is too long.

    The two ends are kept, because the names of candidates that share a long beginning
    (``Pipeline(StandardScaler, ...``) differ at the end.

    Parameters
    ----------
    text : str
        Any text; runs of white space become one blank.

    width : int
        Characters to keep, at least 3.

    Returns
    -------
    short : str
        At most `width` characters.

    Examples
    --------
    >>> shorten("dropout", 12)
    'dropout'
    >>> shorten("all regularizers together", 12)
    'all re…ether'
    """
    text = " ".join(str(text).split())
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    head = width - 1 - tail
    return text[:head] + ELLIPSIS + text[len(text) - tail :]


def fit_labels(names, *, width=22, lines=2):
    """Names as axis labels: broken into lines, cut in the middle, no two of them equal.

    Parameters
    ----------
    names : sequence of str
        Names of the rows.

    width : int, default=22
        Characters in a line.

    lines : int, default=2
        Lines in a label.

    Returns
    -------
    labels : list of str
        As many as names. Where two would be equal, a number is added.
    """
    labels = []
    for name in names:
        label = _break_lines(name, width, lines)
        number = 2
        while label in labels:
            label = _break_lines(name, width, lines, suffix=f" {number}")
            number += 1
        labels.append(label)
    return [escape_math(label) for label in labels]


def _break_lines(name, width, lines, suffix=""):
    """One name in at most `lines` lines of at most `width` characters, ending in `suffix`."""
    room = width * lines - len(suffix)
    # Breaking at blanks wastes room, so less text is tried before words are cut.
    for budget in (room, int(room * 0.75)):
        pieces = textwrap.wrap(shorten(name, budget) + suffix, width)
        if len(pieces) <= lines:
            return "\n".join(pieces)
    text = shorten(name, room) + suffix
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def decimals_for(values):
    """Number of decimals for numbers in one column, so that their differences can be seen.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        The median of their sizes decides, so one outlier changes nothing; missing ones are ignored.

    Returns
    -------
    decimals : int
        3 for numbers up to 10, fewer for larger ones, more for those below 0.01.

    Examples
    --------
    >>> decimals_for([0.9, 0.95, -1e6]), decimals_for([-2993.4, 1200.0]), decimals_for([0.0012])
    (3, 0, 5)
    """
    values = np.abs(np.asarray(values, dtype=float))
    values = values[np.isfinite(values) & (values > 0)]
    middle = np.median(values) if values.size else 1.0
    if 0.01 <= middle < 10:
        return 3
    return int(np.clip(2 - np.floor(np.log10(middle)), 0, 8))


def fixed(value, decimals, *, sign=False):
    """A number as text, without a minus before what is rounded to zero; a dash where it is missing.

    Examples
    --------
    >>> fixed(-0.0002, 3), fixed(0.95, 3, sign=True), fixed(float("nan"), 3)
    ('0.000', '+0.950', '–')
    """
    if not np.isfinite(value):
        return DASH
    # With that many digits decimals carry no information.
    if abs(value) < 1e6:
        text = f"{round(float(value), decimals) + 0.0:.{decimals}f}"
    else:
        text = f"{value:.3g}"
    if sign and not text.startswith("-"):
        text = f"+{text}"
    return text.replace("-", MINUS)


def label_log_axis(axis, most=6):
    """Label a logarithmic axis with plain numbers: 0.05, not 5e-2.

    Parameters
    ----------
    axis : matplotlib Axis
        ``ax.xaxis`` or ``ax.yaxis``, logarithmic and with its data.
    most : int, default=6
        Labels that there is room for, where the axis has less than a decade.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    if decades > 6:
        return
    if decades < 0.8:
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades <= 2.5 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def escape_math(text):
    """Keep matplotlib from reading dollar signs in a name as mathematics."""
    return text.replace("$", r"\$")
