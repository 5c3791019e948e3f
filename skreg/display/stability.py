"""How often each column is chosen in half samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ._base import Display, check_count
from ._rows import label_below, legend_above, rows_figsize, set_rows
from ._style import COLORS, fixed

if TYPE_CHECKING:
    from typing import Any, Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skreg import StabilitySelector

LOOKS = {
    True: {"color": COLORS["blue"], "marker": "o", "label": "selected"},
    False: {
        "color": COLORS["grey"],
        "marker": "s",
        "markerfacecolor": "none",
        "label": "not selected",
    },
}


class StabilitySelectionDisplay(Display):
    """Selection probabilities of the columns that were chosen most often, and the threshold.

    Make one with :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    table : DataFrame of shape (n_features, 3)
        The columns feature, probability and selected, as :meth:`StabilitySelector.frame` gives them.

    threshold : float
        From which on a column is selected.

    expected_false_selections : float or None, default=None
        Bound on the expected number of columns selected without use; written above the figure.

    Attributes
    ----------
    points_ : dict of bool to matplotlib Line2D
        The columns that are selected, and those that are not; only those there are.

    threshold_line_ : matplotlib Line2D

    ax_ : matplotlib Axes

    figure_ : matplotlib Figure

    See Also
    --------
    StabilitySelector : Makes the selection.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg import StabilitySelectionDisplay
    >>> table = pd.DataFrame(
    ...     {"feature": ["age", "bmi"], "probability": [0.1, 0.9], "selected": [False, True]}
    ... )
    >>> StabilitySelectionDisplay(table=table, threshold=0.6).frame()["feature"].tolist()
    ['bmi', 'age']
    """

    points_: dict[bool, Line2D]
    threshold_line_: Line2D
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        table: pd.DataFrame,
        threshold: float,
        expected_false_selections: float | None = None,
    ) -> None:
        self.table = table
        self.threshold = threshold
        self.expected_false_selections = expected_false_selections

    @classmethod
    def from_estimator(
        cls,
        selector: StabilitySelector,
        *,
        ax: Axes | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the selection of a fitted selector.

        Parameters
        ----------
        selector : StabilitySelector
            Fitted.

        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : StabilitySelectionDisplay

        Raises
        ------
        NotFittedError
            If the selector is not fitted.
        """
        display = cls(
            table=selector.frame(),
            threshold=selector.threshold,
            expected_false_selections=selector.expected_false_selections_,
        )
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_features, 3)
            The table, the largest probability first.
        """
        frame = pd.DataFrame(self.table).copy()
        return frame.sort_values("probability", ascending=False, kind="stable")

    def plot(self, ax: Axes | None = None, *, n_features: int = 15) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure, 6 inches wide.

        n_features : int, default=15
            How many columns are shown at least, those with the largest probabilities; what is selected is
            always shown.

        Returns
        -------
        display : StabilitySelectionDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `n_features` is less than 1.
        """
        check_count("n_features", n_features)
        frame = self.frame()
        shown = frame.iloc[: max(n_features, int(frame["selected"].sum()))].reset_index(drop=True)
        (ax,) = self._new_axes(ax, figsize=rows_figsize(len(shown)))
        values = [fixed(value, 2) for value in shown["probability"]]
        set_rows(ax, shown["feature"].astype(str).tolist(), values)
        self.threshold_line_ = ax.axvline(
            self.threshold, color=COLORS["vermillion"], linestyle="--", linewidth=1.2, zorder=1
        )
        self.points_ = {}
        for selected, look in LOOKS.items():
            own = shown[shown["selected"] == selected]
            if len(own):
                (self.points_[selected],) = ax.plot(
                    own["probability"], own.index, linestyle="none", markersize=6, zorder=3, **look
                )
                ax.hlines(
                    own.index, 0.0, own["probability"], color=look["color"], alpha=0.35, zorder=2
                )
        ax.set_xlim(-0.02, 1.02)
        label_below(ax, "Selection probability", self._tell(len(frame) - len(shown)))
        self.threshold_line_.set_label(f"threshold {self.threshold:g}")
        legend_above(ax, *ax.get_legend_handles_labels())
        return self._drawn_on(ax)

    def _tell(self, left_out):
        """What the figure does not show: columns left out, and the bound."""
        parts = []
        if left_out:
            parts.append(f"{left_out} more columns not shown")
        if self.expected_false_selections is not None:
            parts.append(f"false selections expected at most: {self.expected_false_selections:.2g}")
        return f"({'; '.join(parts)})" if parts else ""
