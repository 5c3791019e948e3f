"""What the ensemble of a search is made of."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pandas as pd

from ._base import Display
from ._rows import size_in_points
from ._search_data import FATES, check_search
from ._search_path import value_label
from ._style import COLORS, FIGSIZE, decimals_for, escape_math, fixed, shorten

if TYPE_CHECKING:
    from typing import Any, Self

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

#: Inches of a setting with its lines of knobs, and of axis labels; the columns that are no knobs.
_ROW_HEIGHT, _FRAME_HEIGHT = 0.62, 0.9
_OWN = ("setting", "weight", "score")

#: The knobs that are written first, where they vary.
_MAIN = ("learning_rate_init", "depth", "width", "norm", "activation", "dropout", "weight_decay")


class EnsembleDisplay(Display):
    """Weights of the settings in the ensemble of a search, with their main knobs.

    Make one with :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    table : DataFrame of shape (n_settings, n_columns)
        One row a setting, with the columns ``setting``, ``weight`` and ``score``; all others are knobs, in
        the order in which they are written.

    score_name : str or None, default=None
        What the figure calls the score.

    ensemble_score : float or None, default=None
        The score of the ensemble, for the title.

    Attributes
    ----------
    bars_ : matplotlib BarContainer
        The weights, in the order of :meth:`frame`.

    texts_ : list of matplotlib Text
        The knobs of each setting, below its bar.

    ax_ : matplotlib Axes
        The axes drawn on.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    SearchDisplay : How the settings did rung by rung.
    KnobDisplay : Each knob against how good the settings are.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import EnsembleDisplay
    >>> table = pd.DataFrame(
    ...     {"setting": [3, 0], "weight": [0.4, 0.6], "score": [0.8, 0.9], "dropout": [0.2, 0.0]}
    ... )
    >>> EnsembleDisplay(table=table).frame()["setting"].tolist()
    [0, 3]
    """

    bars_: BarContainer
    texts_: list[Text]
    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        *,
        table: pd.DataFrame,
        score_name: str | None = None,
        ensemble_score: float | None = None,
    ) -> None:
        self.table = table
        self.score_name = score_name
        self.ensemble_score = ensemble_score

    @classmethod
    def from_estimator(
        cls,
        search: RegularizedMLPClassifierCV | RegularizedMLPRegressorCV,
        *,
        ax: Axes | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the ensemble of a fitted search.

        Parameters
        ----------
        search : RegularizedMLPClassifierCV or RegularizedMLPRegressorCV
            Fitted.

        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : EnsembleDisplay

        Raises
        ------
        TypeError
            If `search` is not one of these.
        NotFittedError
            If it is not fitted.
        """
        check_search(search)
        knobs, _ = search._knobs_and_standing()
        order = [name for name in _MAIN if name in knobs]
        knobs = knobs[order + [name for name in knobs if name not in order]]
        table = search.ensemble_[["setting", "weight", "score"]]
        scoring = search.scoring
        display = cls(
            table=pd.concat([table, knobs.loc[table["setting"]].reset_index(drop=True)], axis=1),
            score_name=scoring if isinstance(scoring, str) else None,
            ensemble_score=search.oof_score_,
        )
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_settings, n_columns)
            The table, those of the largest weight first.
        """
        return pd.DataFrame(self.table).sort_values(
            ["weight", "score"], ascending=False, kind="stable", ignore_index=True
        )

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the figure.

        Below each bar stand knobs of the setting that are not off (0, None or False), as many as two lines
        have room for.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure 6 inches wide, with room for each setting.

        Returns
        -------
        display : EnsembleDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        frame = self.frame()
        height = _FRAME_HEIGHT + _ROW_HEIGHT * max(3, len(frame))
        (ax,) = self._new_axes(ax, figsize=(FIGSIZE[0], height))
        rows = range(len(frame))
        color = FATES["in the ensemble"]["color"]
        # A bar fills the upper part of its row, its knobs the lower one.
        self.bars_ = ax.barh([row - 0.25 for row in rows], frame["weight"], height=0.3, color=color)
        ax.set_ylim(len(frame) - 0.4, -0.6)
        ax.set_xlim(0, 1.02 * frame["weight"].max())
        decimals = decimals_for(frame["score"]) + 1
        names = [f"setting {number}" for number in frame["setting"]]
        ax.set_yticks([row - 0.25 for row in rows], names, fontsize=9)
        right = ax.secondary_yaxis("right")
        scores = [fixed(score, decimals) for score in frame["score"]]
        right.set_yticks([row - 0.25 for row in rows], scores, fontsize=9)
        right.spines["right"].set_visible(False)
        for axis in (ax, right):
            axis.tick_params(axis="y", length=0)
        ax.spines[["top", "right"]].set_visible(False)
        name = shorten((self.score_name or "score").replace("_", " "), 24)
        minus = "negative loss" if name == "loss" else name
        right.set_ylabel(escape_math(f"{minus}, out of fold"), fontsize=9)
        ax.set_xlabel("Weight in the ensemble")
        if self.ensemble_score is not None:
            text = f"Ensemble: {fixed(self.ensemble_score, decimals)} out of fold"
            ax.set_title(text, fontsize="medium")
        self._write_knobs(ax, frame)
        return self._drawn_on(ax)

    def _write_knobs(self, ax, frame):
        """Below each bar the knobs of its setting, as many as two lines hold."""
        ax.figure.draw_without_rendering()  # the labels decide how wide the axes are
        width, height = size_in_points(ax)
        size = min(7.5, 0.26 * height / max(1, len(frame)))
        letters = int(width / (0.56 * size))
        names = [name for name in frame if name not in _OWN]
        self.texts_ = []
        for row, values in frame.iterrows():
            parts = [
                f"{name}\N{NO-BREAK SPACE}{value_label(values[name])}"
                for name in names
                if values[name]
            ]
            lines = _two_lines(parts, letters)
            text = ax.text(
                0.01,
                row - 0.06,
                escape_math(lines),
                fontsize=size,
                va="top",
                linespacing=1.15,
                color=COLORS["grey"],
                transform=ax.get_yaxis_transform(),
            )
            self.texts_.append(text)


def _two_lines(parts, width):
    """As many of some texts as two lines hold, none of them broken."""
    for count in range(len(parts), 0, -1):
        text = ", ".join(parts[:count])
        lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
        if len(lines) <= 2 and max(map(len, lines)) <= width:
            return "\n".join(lines)
    return ""
