"""Which columns a model keeps as its penalty grows, how many there are, and how well it predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._base import Display, check_count, draw_band
from ._rows import ROW_HEIGHT, set_rows
from ._style import COLORS, TEST, TRAIN, escape_math, label_log_axis, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skreg import FeaturePath

#: Losses, of which less is better and which are drawn as they are.
LOSSES = ("log loss", "mean squared error")

#: Numbers of columns above which their axis is logarithmic, and where it has labels.
_MANY = 20
_ROUND = (1, 3, *(k * 10**power for power in range(1, 7) for k in (1, 3)))

#: Inches of the panels below the columns, and of what is around them.
_PANEL, _FRAME = 1.35, 0.9


class FeaturePathDisplay(Display):
    """The path of a penalty on columns: which ones survive longest, how many are used, and the score.

    A bar a column says at which strengths it is used, the longest on top. Below stand the number of columns
    used and the score. Make one with :meth:`from_path` or :meth:`from_estimator`. All parameters are
    stored as attributes.

    Parameters
    ----------
    survival : DataFrame of shape (n_features, n_columns)
        As :meth:`FeaturePath.survival` gives it, the longest survivor first.

    support : DataFrame of bool, shape (n_strengths, n_features)
        As :meth:`FeaturePath.support_frame` gives it.

    path : DataFrame of shape (n_strengths, n_columns)
        As :meth:`FeaturePath.frame` gives it.

    parameter : str, default="group_l1"
        What the strength is called.

    score_name : str, default="score"
        What the score is called; with the name of a loss, the column ``loss`` of `path` is drawn.

    recommended : dict of str to float, default=None
        Strengths to mark, by their names.

    Attributes
    ----------
    bars_ : matplotlib LineCollection
        A line for each strength at which a column is used.

    counts_ : matplotlib Line2D
        Number of columns used.

    score_line_ : matplotlib Line2D
        Mean score, or loss, over folds; that of the training rows where nothing else was scored.

    band_ : matplotlib PolyCollection or None
        One standard error around it.

    marks_ : dict of str to matplotlib Line2D
        The recommended strengths, in the panel of the score.

    axes_ : list of matplotlib Axes
        Of the columns, their number and the score.

    figure_ : matplotlib Figure

    See Also
    --------
    feature_path : Makes the path.
    StabilitySelectionDisplay : Which columns are chosen again and again.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import FeaturePathDisplay, RegularizedLinearRegressor, feature_path
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RegularizedLinearRegressor(scale_features="standard")
    >>> path = feature_path(X, y, estimator=model, n_strengths=5)
    >>> display = FeaturePathDisplay.from_path(path, plot=False)
    >>> display.frame()["feature"].tolist()[:2]
    ['bmi', 's5']
    """

    bars_: LineCollection
    counts_: Line2D
    score_line_: Line2D
    band_: PolyCollection | None
    marks_: dict[str, Line2D]
    axes_: list[Axes]
    figure_: Figure

    def __init__(
        self,
        *,
        survival: pd.DataFrame,
        support: pd.DataFrame,
        path: pd.DataFrame,
        parameter: str = "group_l1",
        score_name: str = "score",
        recommended: dict[str, float] | None = None,
    ) -> None:
        self.survival = survival
        self.support = support
        self.path = path
        self.parameter = parameter
        self.score_name = score_name
        self.recommended = recommended

    @classmethod
    def from_path(
        cls,
        path: FeaturePath,
        *,
        ax: Sequence[Axes] | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw a path.

        Parameters
        ----------
        path : FeaturePath
            What :func:`feature_path` returns.

        ax : sequence of three matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : FeaturePathDisplay
        """
        frame, recommended = path.frame(), {}
        if path.n_folds and frame["score"].notna().any():
            recommended["best"] = path.best_strength
            if path.n_folds > 1:
                recommended["one standard error"] = path.one_se_strength
        display = cls(
            survival=path.survival(),
            support=path.support_frame(),
            path=frame,
            parameter=path.parameter,
            score_name=path.loss if path.scoring == "loss" else path.scoring,
            recommended=recommended,
        )
        return display._drawn_if(plot, ax, **plot_kw)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        cv: Any = None,
        strengths: Any = "auto",
        n_strengths: int = 15,
        scoring: Any = "loss",
        sample_weight: Any = None,
        groups: Any = None,
        random_state: Any = None,
        ax: Sequence[Axes] | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Make the path of an estimator, and draw it.

        Parameters
        ----------
        estimator, X, y, cv, strengths, n_strengths, scoring, sample_weight, groups, random_state
            As in :func:`feature_path`.

        ax : sequence of three matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : FeaturePathDisplay
        """
        from skreg.selection import feature_path

        path = feature_path(
            X,
            y,
            estimator=estimator,
            cv=cv,
            strengths=strengths,
            n_strengths=n_strengths,
            scoring=scoring,
            sample_weight=sample_weight,
            groups=groups,
            random_state=random_state,
        )
        return cls.from_path(path, ax=ax, plot=plot, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The columns in the order of the figure.

        Returns
        -------
        frame : DataFrame of shape (n_features, n_columns)
            A copy of `survival`.
        """
        return pd.DataFrame(self.survival).copy()

    def plot(self, ax: Sequence[Axes] | None = None, *, n_features: int = 12) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : sequence of three matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure, 6 inches wide.

        n_features : int, default=12
            How many columns have a bar: those that survive longest.

        Returns
        -------
        display : FeaturePathDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` does not hold three axes, or `n_features` is less than 1.
        """
        check_count("n_features", n_features)
        shown = self.frame().iloc[:n_features]
        axes = self._axes(ax, len(shown))
        edges = _edges(self.path["strength"].to_numpy(dtype=float))
        self._draw_bars(axes[0], shown, edges)
        self._draw_counts(axes[1])
        self._draw_scores(axes[2])
        self.marks_ = {}
        for panel in axes:
            panel.set_xscale("log")
            panel.set_xlim(edges.min(), edges.max())
            self._draw_marks(panel)
        label_log_axis(axes[2].xaxis)
        # Each panel is one of the same strengths: only the last one names them.
        for panel in axes[:2]:
            panel.tick_params(axis="x", which="both", labelbottom=False)
        axes[2].set_xlabel(escape_math(self.parameter))
        handles, labels = axes[2].get_legend_handles_labels()
        if len(labels) > 1:
            axes[2].legend(handles, labels, fontsize="x-small", framealpha=0.85)
        if ax is None:
            axes[0].figure.align_ylabels(axes[1:])
        self.axes_, self.figure_ = axes, axes[0].figure
        return self

    def _axes(self, ax, n_rows):
        if ax is not None:
            return self._new_axes(ax, n_rows=3)
        rows = max(1.5, ROW_HEIGHT * (n_rows + 1))
        axes = self._new_axes(None, figsize=(6.0, rows + 2 * _PANEL + _FRAME), n_rows=3)
        axes[0].get_gridspec().set_height_ratios([rows, _PANEL, _PANEL])
        axes[0].figure.canvas.draw()  # the rows ask how high they are
        return axes

    def _draw_bars(self, ax, shown, edges):
        """Where each column is used: from half way to the next strength to half way from the last."""
        from matplotlib.collections import LineCollection

        used = self.support.to_numpy()
        kept = self._kept()
        segments, colors = [], []
        for row, column in enumerate(shown["column"]):
            for place in np.flatnonzero(used[:, column]):
                segments.append([(edges[place + 1], row), (edges[place], row)])
                colors.append(COLORS["blue"] if kept[column] else COLORS["grey"])
        self.bars_ = LineCollection(segments, colors=colors, linewidths=5, capstyle="butt")
        ax.add_collection(self.bars_)
        set_rows(ax, shown["feature"].astype(str).tolist())
        left_out = len(self.survival) - len(shown)
        title = "columns, by the strongest penalty that they survive"
        if left_out:
            title += f" ({left_out} more not shown)"
        ax.set_title(title, fontsize=9, loc="left")

    def _kept(self):
        """Columns used at the strongest strength that is recommended."""
        used = self.support.to_numpy()
        if not self.recommended:
            return np.ones(used.shape[1], dtype=bool)
        strength = max(self.recommended.values())
        return used[int(np.argmin(np.abs(self.support.index.to_numpy() - strength)))]

    def _draw_counts(self, ax):
        (self.counts_,) = ax.plot(
            self.path["strength"],
            self.path["n_features"],
            color=COLORS["green"],
            marker=".",
            linewidth=1.4,
        )
        ax.set_ylabel("columns used", fontsize=9)
        most = self.path["n_features"].max()
        if most > _MANY:
            ax.set_yscale("symlog", linthresh=1, linscale=0.5)
            ax.set_yticks([0, *(y for y in _ROUND if y <= most)])
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.minorticks_off()
        ax.set_ylim(bottom=-0.5)

    def _draw_scores(self, ax):
        scored, by_loss = "score" in self.path, self.score_name in LOSSES
        column = ("" if scored else "train_") + ("loss" if by_loss else "score")
        look = TEST if scored else TRAIN
        strength, score = self.path["strength"], self.path[column].to_numpy(dtype=float)
        (self.score_line_,) = ax.plot(
            strength, score, markersize=3.5, linewidth=1.4, label="_nolegend_", **look
        )
        self.band_ = None
        if scored:
            half = self.path["score_se"].to_numpy(dtype=float)
            self.band_ = draw_band(ax, strength, score, half, look["color"])
        name = escape_math(shorten(self.score_name, 20).replace("_", " "))
        if len(name) > 14:
            name = name.replace(" ", "\n")
        ax.set_ylabel(f"{name}\n({'folds' if scored else 'training'})", fontsize=9)

    def _draw_marks(self, ax):
        """A line at each recommended strength."""
        styles = {"best": ":", "one standard error": "--"}
        at = {}
        for name, strength in (self.recommended or {}).items():
            at.setdefault(strength, []).append(name)
        for strength, names in at.items():
            line = ax.axvline(
                strength,
                color=COLORS["vermillion"],
                linestyle=styles.get(names[-1], "-."),
                linewidth=1.2,
                label=f"{', '.join(names)}: {strength:.3g}",
            )
            self.marks_ |= dict.fromkeys(names, line)


def _edges(strengths):
    """Ends of the bars of falling strengths, half way between them in logarithms."""
    logs = np.log(strengths)
    if len(logs) == 1:
        return np.exp([logs[0] + 0.1, logs[0] - 0.1])
    inner = (logs[1:] + logs[:-1]) / 2
    first, last = logs[0] + (logs[0] - inner[0]), logs[-1] - (inner[-1] - logs[-1])
    return np.exp(np.concatenate([[first], inner, [last]]))
