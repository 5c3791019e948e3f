"""Train and test score of each candidate: which end of the gap a regularizer moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._base import Display
from ._comparison_data import BASELINE, CANDIDATE, GAP, SCORE, TRAIN_SCORE, read_frame, score_words
from ._rows import cut_far_rows, label_below, legend_above, rows_figsize, set_rows
from ._style import COLORS, TEST, TRAIN, decimals_for, escape_math, fixed, shorten

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    from skreg.comparison import Comparison


class OverfitGapDisplay(Display):
    """Train and test score of each candidate, joined by a line as long as the gap.

    A column of gaps does not say whether a regularizer closed the gap by raising the test score
    or by lowering the train score; the two ends of the line do. Make one with
    :meth:`from_comparison`. All parameters are stored as attributes.

    Parameters
    ----------
    table : DataFrame of shape (n_candidates, n_columns)
        One row for each candidate, with the columns ``candidate``, ``mean_score``, ``mean_train_score``
        and, where known, ``std_score``.

    baseline : str, default="plain net"
        The candidate whose test score is drawn as a vertical line.

    score_name : str or None, default=None
        What the axis calls the score.

    Attributes
    ----------
    test_points_ : matplotlib Line2D
        Mean test score of each row of :meth:`frame`, in its order.

    train_points_ : matplotlib Line2D
        Mean train score of each row.

    gap_lines_ : matplotlib LineCollection
        The lines between them.

    far_labels_ : dict of int to matplotlib Text
        The test scores that lie outside the axes, written as numbers at the edge.

    baseline_line_ : matplotlib Line2D or None
        The test score of the baseline.

    ax_ : matplotlib Axes
        The axes drawn on.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    ComparisonDisplay : Differences to the plain net with their intervals.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import OverfitGapDisplay
    >>> table = pd.DataFrame(
    ...     {
    ...         "candidate": ["plain net", "dropout"],
    ...         "mean_score": [0.90, 0.92],
    ...         "mean_train_score": [1.00, 0.97],
    ...     }
    ... )
    >>> OverfitGapDisplay(table=table).frame()["candidate"].tolist()
    ['dropout', 'plain net']
    """

    test_points_: Line2D
    train_points_: Line2D
    gap_lines_: LineCollection
    far_labels_: dict[int, Text]
    baseline_line_: Line2D | None
    ax_: Axes
    figure_: Figure

    def __init__(
        self, *, table: pd.DataFrame, baseline: str = BASELINE, score_name: str | None = None
    ) -> None:
        self.table = table
        self.baseline = baseline
        self.score_name = score_name

    @classmethod
    def from_comparison(
        cls, comparison: Comparison, *, ax: Axes | None = None, plot: bool = True
    ) -> Self:
        """Draw the gaps that a comparison measured.

        Parameters
        ----------
        comparison : Comparison
            What :func:`skreg.compare` returns.

        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        Returns
        -------
        display : OverfitGapDisplay

        Raises
        ------
        TypeError
            If `comparison` is not a comparison.
        ValueError
            If its table lacks a column.
        """
        display = cls(
            table=read_frame(comparison, (SCORE, TRAIN_SCORE)),
            baseline=getattr(comparison, "baseline_", BASELINE),
            score_name=score_words(comparison),
        )
        return display._drawn_if(plot, ax)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame
            The table from the best to the worst test score; the column ``overfit_gap`` is train
            minus test score.
        """
        frame = pd.DataFrame(self.table).copy()
        frame[GAP] = frame[TRAIN_SCORE] - frame[SCORE]
        return frame.sort_values(SCORE, ascending=False, kind="stable", ignore_index=True)

    def plot(self, ax: Axes | None = None, *, show_gaps: bool = True) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure of 6 by 4 inches, taller from 12 candidates on.

        show_gaps : bool, default=True
            Whether to write the gaps at the right.

        Returns
        -------
        display : OverfitGapDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        frame = self.frame()
        figsize = rows_figsize(len(frame))
        (ax,) = self._new_axes(ax, figsize=figsize)
        gaps = [fixed(gap, decimals_for(frame[SCORE])) for gap in frame[GAP]] if show_gaps else None
        set_rows(ax, frame[CANDIDATE].astype(str).tolist(), gaps, "gap")
        rows = range(len(frame))
        self.gap_lines_ = ax.hlines(
            rows, frame[SCORE], frame[TRAIN_SCORE], color=COLORS["grey"], linewidth=2, zorder=1
        )
        self.baseline_line_ = self._draw_baseline(ax, frame)
        self.test_points_ = self._draw_points(ax, frame[SCORE], TEST, "test")
        self.train_points_ = self._draw_points(ax, frame[TRAIN_SCORE], TRAIN, "train")
        self.far_labels_ = self._cut_far_rows(ax, frame)
        label_below(ax, shorten(self.score_name or "score", 40))
        legend_above(ax, *ax.get_legend_handles_labels())
        return self._drawn_on(ax)

    def _draw_points(self, ax, scores, look, label):
        (points,) = ax.plot(
            scores,
            range(len(scores)),
            label=label,
            zorder=3,
            markersize=7,
            **{**look, "linestyle": "none", "markerfacecolor": look.get("markerfacecolor")},
        )
        return points

    def _cut_far_rows(self, ax, frame):
        """Candidates far from the others leave the axes, with their test score at the edge."""
        base = frame.loc[frame[CANDIDATE] == self.baseline, SCORE].dropna()
        ends = frame[[SCORE, TRAIN_SCORE]]
        spans = pd.DataFrame({"low": ends.min(axis=1), "high": ends.max(axis=1)})
        centre = base.iloc[0] if len(base) else np.nanmedian(ends.to_numpy(dtype=float))
        decimals = decimals_for(frame[SCORE])
        texts = frame[SCORE].map(lambda score: fixed(score, decimals))
        return cut_far_rows(ax, spans, centre=centre, texts=texts)

    def _draw_baseline(self, ax, frame):
        score = frame.loc[frame[CANDIDATE] == self.baseline, SCORE].dropna()
        if score.empty:
            return None
        return ax.axvline(
            score.iloc[0],
            color=COLORS["grey"],
            linestyle=":",
            linewidth=1.2,
            zorder=0,
            label=f"{escape_math(shorten(self.baseline, 18))}, test",
        )
