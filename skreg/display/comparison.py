"""What each candidate gains or loses against the plain net, and how certain that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._base import Display
from ._comparison_data import (
    BASELINE,
    CANDIDATE,
    DIFFERENCE,
    HIGH,
    LOW,
    P_VALUE,
    SCORE,
    VERDICT,
    fold_differences,
    read_frame,
    score_words,
)
from ._rows import cut_far_rows, label_below, legend_above, rows_figsize, set_rows
from ._style import COLORS, decimals_for, fixed, shorten

if TYPE_CHECKING:
    from typing import Any, Self

    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    from skreg.comparison import Comparison

# A look for each verdict: colour, shape or filling alone is enough to tell them apart.
VERDICTS = {
    "pays": {"color": COLORS["blue"], "marker": "o", "markerfacecolor": COLORS["blue"]},
    "cannot be told apart": {"color": COLORS["grey"], "marker": "D", "markerfacecolor": "white"},
    "costs": {
        "color": COLORS["vermillion"],
        "marker": "s",
        "markerfacecolor": COLORS["vermillion"],
    },
    # not asked about the baseline
    "contender": {"color": COLORS["green"], "marker": "^", "markerfacecolor": "white"},
    "dummy": {"color": COLORS["grey"], "marker": "x"},
}


class ComparisonDisplay(Display):
    """Paired differences to the plain net with their intervals, one row for each candidate.

    Make one with :meth:`from_comparison`. All parameters are stored as attributes.

    Parameters
    ----------
    table : DataFrame of shape (n_candidates, n_columns)
        One row for each candidate, with the columns ``candidate``, ``difference``, ``difference_low``,
        ``difference_high``, ``p_value`` and, to be shown at the right, ``mean_score``.

    fold_differences : DataFrame or None, default=None
        The differences split by split, with the columns ``candidate`` and ``difference``.

    baseline : str, default="plain net"
        The candidate that all others are compared with.

    level : float, default=0.05
        A difference counts as certain if its p-value is below; used for tables without the column
        ``verdict``.

    score_name : str or None, default=None
        What the axis calls the score.

    Attributes
    ----------
    intervals_ : list of matplotlib ErrorbarContainer
        One for each row of :meth:`frame` that has a difference, in the order of its rows.

    points_ : matplotlib Line2D or None
        The differences split by split.

    far_labels_ : dict of int to matplotlib Text
        The differences that lie outside the axes, written as numbers at the edge.

    zero_line_ : matplotlib Line2D
        No difference to the plain net.

    ax_ : matplotlib Axes
        The axes drawn on.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    OverfitGapDisplay : Train and test score of each candidate.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import ComparisonDisplay
    >>> table = pd.DataFrame(
    ...     {
    ...         "candidate": ["plain net", "dropout"],
    ...         "difference": [0.0, 0.02],
    ...         "difference_low": [float("nan"), 0.01],
    ...         "difference_high": [float("nan"), 0.03],
    ...         "p_value": [float("nan"), 0.004],
    ...     }
    ... )
    >>> ComparisonDisplay(table=table).frame()[["candidate", "verdict"]].values.tolist()
    [['dropout', 'pays'], ['plain net', 'baseline']]
    """

    intervals_: list[ErrorbarContainer]
    points_: Line2D | None
    far_labels_: dict[int, Text]
    zero_line_: Line2D
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        table: pd.DataFrame,
        fold_differences: pd.DataFrame | None = None,
        baseline: str = BASELINE,
        level: float = 0.05,
        score_name: str | None = None,
    ) -> None:
        self.table = table
        self.fold_differences = fold_differences
        self.baseline = baseline
        self.level = level
        self.score_name = score_name

    @classmethod
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        level: float = 0.05,
        ax: Axes | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the differences that a comparison found.

        Parameters
        ----------
        comparison : Comparison
            What :func:`skreg.compare` returns.

        level : float, default=0.05
            A difference counts as certain if its p-value is below; used for tables without the
            column ``verdict``.

        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : ComparisonDisplay

        Raises
        ------
        TypeError
            If `comparison` is not a comparison.
        ValueError
            If its table lacks a column.
        """
        display = cls(
            table=read_frame(comparison, (DIFFERENCE, LOW, HIGH, P_VALUE)),
            fold_differences=fold_differences(comparison),
            baseline=getattr(comparison, "baseline_", BASELINE),
            level=level,
            score_name=score_words(comparison),
        )
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_candidates, n_columns + 1)
            The table from the greatest gain to the greatest loss, with the column ``verdict``:
            ``"pays"``, ``"costs"``, ``"cannot be told apart"``, ``"contender"`` (not asked about the
            baseline), ``"dummy"``, ``"baseline"``, or empty where nothing was measured. The table's own
            verdicts are kept. The difference of the baseline is 0.
        """
        frame = pd.DataFrame(self.table).copy()
        frame.loc[frame[CANDIDATE] == self.baseline, DIFFERENCE] = 0.0
        frame[VERDICT] = [self._verdict(row) for _, row in frame.iterrows()]
        return frame.sort_values(DIFFERENCE, ascending=False, kind="stable", ignore_index=True)

    def plot(
        self, ax: Axes | None = None, *, show_folds: bool = True, show_scores: bool = True
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure of 6 by 4 inches, taller from 12 candidates on.

        show_folds : bool, default=True
            Whether to draw the differences split by split behind the intervals.

        show_scores : bool, default=True
            Whether to write the mean scores at the right.

        Returns
        -------
        display : ComparisonDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        frame = self.frame()
        figsize = rows_figsize(len(frame))
        (ax,) = self._new_axes(ax, figsize=figsize)
        scores = None
        if show_scores and SCORE in frame:
            decimals = decimals_for(frame[SCORE])
            scores = [fixed(score, decimals) for score in frame[SCORE]]
        set_rows(ax, frame[CANDIDATE].astype(str).tolist(), scores, "mean score")
        self.zero_line_ = ax.axvline(0.0, color=COLORS["grey"], linewidth=1.0, zorder=1)
        self.points_ = self._draw_folds(ax, frame) if show_folds else None
        self._draw_intervals(ax, frame)
        self.far_labels_ = self._cut_far_rows(ax, frame)
        score = shorten(self.score_name or "score", 30)
        label_below(ax, "Difference in", score, f"to {shorten(self.baseline, 20)}")
        self._draw_legend(ax)
        return self._drawn_on(ax)

    def _verdict(self, row):
        if row[CANDIDATE] == self.baseline:
            return "baseline"
        if row.get(VERDICT) in VERDICTS:
            return row[VERDICT]
        if not np.isfinite(row[DIFFERENCE]):
            return ""
        if not row[P_VALUE] < self.level:
            return "cannot be told apart"
        return "pays" if row[DIFFERENCE] > 0 else "costs"

    def _draw_folds(self, ax, frame):
        """The differences split by split, faint, behind the intervals."""
        if self.fold_differences is None:
            return None
        row_of = {name: row for row, name in enumerate(frame[CANDIDATE]) if name != self.baseline}
        points = pd.DataFrame(self.fold_differences)
        points = points[points[CANDIDATE].isin(list(row_of))]
        (line,) = ax.plot(
            points[DIFFERENCE],
            points[CANDIDATE].map(row_of),
            linestyle="none",
            marker="|",
            markersize=6,
            color=COLORS["grey"],
            alpha=0.6,
            zorder=1,
            label="one split",
        )
        return line

    def _draw_intervals(self, ax, frame):
        self.intervals_ = []
        labelled = set()
        for row, values in frame.iterrows():
            verdict, middle = values[VERDICT], values[DIFFERENCE]
            if verdict == "baseline":
                ax.plot(0.0, row, marker="o", markersize=4, color=COLORS["grey"], zorder=3)
            if verdict == "baseline" or not np.isfinite(middle):
                continue
            arms = np.array([[middle - values[LOW]], [values[HIGH] - middle]], dtype=float)
            container = ax.errorbar(
                middle,
                row,
                xerr=arms if np.isfinite(arms).all() else None,
                capsize=3,
                markersize=6,
                linewidth=1.6,
                zorder=3,
                # The dummy needs no explanation beside its name.
                label=None if verdict in {*labelled, "dummy"} else verdict,
                **VERDICTS[verdict],
            )
            labelled.add(verdict)
            self.intervals_.append(container)

    def _cut_far_rows(self, ax, frame):
        """Let candidates that lie far away leave the axes, with their difference at the edge.

        A dummy is often ten times as far from the plain net as anything else, and would squeeze
        all other intervals together.
        """
        others = frame[frame[VERDICT] != "baseline"]
        ends = others[[DIFFERENCE, LOW, HIGH]]
        spans = pd.DataFrame({"low": ends.min(axis=1), "high": ends.max(axis=1)})
        decimals = decimals_for(others[SCORE if SCORE in others else DIFFERENCE])
        texts = others[DIFFERENCE].map(lambda value: fixed(value, decimals, sign=True))
        labels = cut_far_rows(ax, spans, centre=0.0, texts=texts)
        for row, label in labels.items():
            label.set_color(VERDICTS[frame.loc[row, VERDICT]]["color"])
        return labels

    def _draw_legend(self, ax):
        """The verdicts above the axes, where they cover no row."""
        handles, labels = ax.get_legend_handles_labels()
        order = {name: place for place, name in enumerate([*VERDICTS, "one split"])}
        pairs = sorted(zip(handles, labels, strict=True), key=lambda pair: order[pair[1]])
        legend_above(ax, [handle for handle, _ in pairs], [label for _, label in pairs])
