"""Scores of a search against one knob, with the norm of the weights and the share of zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._base import Display, check_choice, draw_band, mark_best
from ._search_path import check_metrics, check_param, check_scale, read_path, value_label
from ._style import FIGSIZE, TEST, TRAIN, escape_math, shorten
from .descriptions import DESCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, Self

    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

OTHERS = ("best", "profile")
BANDS = ("std", "sem", None)


class ValidationPathDisplay(Display):
    """Cross-validated score against one knob of a search.

    Make one with :meth:`from_search` or :meth:`from_cv_results`. All parameters are stored as
    attributes.

    Parameters
    ----------
    path : DataFrame of shape (n_values, n_columns)
        One row for each value of the knob, in order, with the columns ``value``, ``n_folds`` and for each
        metric ``mean_test_<metric>``, ``std_test_<metric>`` and, where the search recorded it,
        ``mean_train_<metric>``, ``std_train_<metric>``.

    param : str
        The name of the knob.

    metrics : tuple of str, default=("score",)
        What is drawn, one panel for each.

    score_name : str or None, default=None
        What the axis calls a metric that is only known as ``score``.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Mean test score of the first metric.

    train_line_ : matplotlib Line2D or None
        Mean train score of the first metric; None where the search has none
        (``return_train_score=False``).

    band_, train_band_ : matplotlib PolyCollection or None
        The spread over folds around them.

    best_point_ : matplotlib Line2D or None
        The best mean test score.

    lines_ : dict of str to matplotlib Line2D
        Mean test value of each metric.

    ax_ : matplotlib Axes
        The axes of the first metric.

    axes_ : list of matplotlib Axes
        One for each metric.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    weight_norm, zero_share : Scorers that record norm and zeros in a search.
    sklearn.model_selection.ValidationCurveDisplay : Fits the models itself.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skreg.display import ValidationPathDisplay
    >>> search = GridSearchCV(Ridge(), {"alpha": [0.0, 0.1, 1.0]}, cv=3)
    >>> search = search.fit(*load_diabetes(return_X_y=True))
    >>> display = ValidationPathDisplay.from_search(search, plot=False)
    >>> display.frame()["value"].tolist()
    [0.0, 0.1, 1.0]
    """

    line_: Line2D
    train_line_: Line2D | None
    band_: PolyCollection | None
    train_band_: PolyCollection | None
    best_point_: Line2D | None
    lines_: dict[str, Line2D]
    ax_: Axes
    axes_: list[Axes]
    figure_: Figure

    def __init__(
        self,
        *,
        path: pd.DataFrame,
        param: str,
        metrics: Sequence[str] = ("score",),
        score_name: str | None = None,
    ) -> None:
        self.path = path
        self.param = param
        self.metrics = metrics
        self.score_name = score_name

    @classmethod
    def from_search(
        cls,
        search: Any,
        *,
        param: str | None = None,
        metrics: str | Sequence[str] | None = None,
        others: Literal["best", "profile"] = "best",
        ax: Axes | Sequence[Axes] | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the path of a fitted search.

        Parameters
        ----------
        search : estimator
            A fitted :class:`~sklearn.model_selection.GridSearchCV`, or another object with
            `cv_results_`.

        param : str or None, default=None
            The knob, as in the grid (``"regularizedmlpclassifier__dropout"``); its last part
            (``"dropout"``) is enough if only one knob ends in it. ``None`` is allowed if
            only one was searched.

        metrics : str, sequence of str or None, default=None
            Names of the search's metrics to draw. ``None`` takes the one that the search was
            refitted on (or the first), and `weight_norm` and `zero_share` where it recorded them.

        others : {"best", "profile"}, default="best"
            What happens to the other knobs: ``"best"`` holds them at the values of the best
            candidate, ``"profile"`` takes for each value of the knob the candidate with the best
            mean test score.

        ax : matplotlib Axes, sequence of Axes or None, default=None
            Where to draw, one for each metric; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : ValidationPathDisplay

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        ValueError
            If `param`, `metrics` or `others` do not fit the search.
        """
        check_is_fitted(search, "cv_results_")
        scoring = getattr(search, "scoring", None)
        refit = getattr(search, "refit", None)
        if (
            metrics is None
            and isinstance(refit, str)
            and f"mean_test_{refit}" in search.cv_results_
        ):
            recorded = [name for name in DESCRIPTIONS if f"mean_test_{name}" in search.cv_results_]
            metrics = [refit, *recorded]
        display = cls.from_cv_results(
            search.cv_results_, param=param, metrics=metrics, others=others, plot=False
        )
        display.score_name = scoring if isinstance(scoring, str) else None
        return display._drawn_if(plot, ax, **plot_kw)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        param: str | None = None,
        metrics: str | Sequence[str] | None = None,
        others: Literal["best", "profile"] = "best",
        ax: Axes | Sequence[Axes] | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the path from the results of a search.

        Parameters
        ----------
        cv_results : dict of str to array
            As `cv_results_` of a search.

        param : str or None, default=None
            The knob, as in :meth:`from_search`.

        metrics : str, sequence of str or None, default=None
            Names of metrics to draw. ``None`` takes the first one, and `weight_norm` and
            `zero_share` where they were recorded.

        others : {"best", "profile"}, default="best"
            What happens to the other knobs, as in :meth:`from_search`.

        ax : matplotlib Axes, sequence of Axes or None, default=None
            Where to draw, one for each metric; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : ValidationPathDisplay

        Raises
        ------
        ValueError
            If `param`, `metrics` or `others` do not fit the results.
        """
        check_choice("others", others, OTHERS)
        metrics = check_metrics(cv_results, metrics)
        param = check_param(cv_results, param)
        path = read_path(cv_results, param, metrics, others)
        display = cls(path=path, param=param, metrics=metrics)
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_values, n_columns)
            A copy of `path`.
        """
        return pd.DataFrame(self.path).copy()

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        band: Literal["std", "sem"] | None = "std",
        scale: Literal["auto", "linear", "log", "symlog", "categories"] = "auto",
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, sequence of Axes or None, default=None
            Where to draw, one for each metric; ``None`` makes a figure, 6 inches wide.

        band : {"std", "sem"} or None, default="std"
            The half width of the bands: standard deviation over folds, that divided by the root
            of the number of folds, or no bands.

        scale : {"auto", "linear", "log", "symlog", "categories"}, default="auto"
            Of the knob's axis. ``"auto"`` is logarithmic where the largest positive value is 30
            times the smallest or more (``"symlog"``, linear up to the smallest positive value,
            where there are zeros), and takes values that are not numbers as categories.

        Returns
        -------
        display : ValidationPathDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `band` or `scale` is none of these, or `ax` does not hold one axes for each metric.
        """
        check_choice("band", band, BANDS)
        scale = check_scale(scale, self.frame()["value"])
        height = FIGSIZE[1] + 1.4 * (len(self.metrics) - 1)
        axes = self._new_axes(ax, figsize=(FIGSIZE[0], height), n_rows=len(self.metrics))
        frame = self.frame()
        x = np.arange(len(frame)) if scale == "categories" else frame["value"].to_numpy(dtype=float)
        self.lines_ = {}
        for number, (panel, metric) in enumerate(zip(axes, self.metrics, strict=True)):
            test = self._draw_curve(panel, frame, x, "test", metric, band)
            train = self._draw_curve(panel, frame, x, "train", metric, band)
            self.lines_[metric] = test[0]
            if number == 0:
                (self.line_, self.band_), (self.train_line_, self.train_band_) = test, train
                self._draw_best(panel, frame, x, metric)
                panel.legend(fontsize="small", framealpha=0.9)
            panel.set_ylabel(self._metric_label(metric))
        _set_knob_axis(axes, frame["value"], x, scale)
        axes[-1].set_xlabel(escape_math(shorten(self.param.rpartition("__")[2], 48)))
        if ax is None:
            axes[0].figure.align_ylabels(axes)
        self.axes_ = axes
        return self._drawn_on(axes[0])

    def _metric_label(self, metric):
        if metric in DESCRIPTIONS:
            return DESCRIPTIONS[metric]
        name = self.score_name if metric == "score" and self.score_name else metric
        return escape_math(shorten(name, 28).replace("_", " ").capitalize())

    def _draw_curve(self, ax, frame, x, part, metric, band):
        """One mean over folds with its band; (None, None) where the search did not record it."""
        column = f"mean_{part}_{metric}"
        # A metric that describes the net is the same on training and test rows: one line is enough.
        if column not in frame or (part == "train" and metric in DESCRIPTIONS):
            return None, None
        look = TEST if part == "test" else TRAIN
        mean = frame[column].to_numpy(dtype=float)
        label = "test folds" if part == "test" else "training folds"
        (line,) = ax.plot(x, mean, label=label, markersize=4.5, linewidth=1.6, **look)
        if band is None:
            return line, None
        half = frame[f"std_{part}_{metric}"].to_numpy(dtype=float)
        if band == "sem":
            half = half / np.sqrt(frame["n_folds"].to_numpy())
        return line, draw_band(ax, x, mean, half, look["color"])

    def _draw_best(self, ax, frame, x, metric):
        """Mark the value with the best mean test score."""
        self.best_point_ = None
        mean = frame[f"mean_test_{metric}"].to_numpy(dtype=float)
        if metric in DESCRIPTIONS or not np.isfinite(mean).any():
            return
        best = int(np.nanargmax(mean))
        value = shorten(value_label(frame["value"].iloc[best]), 24)
        self.best_point_ = mark_best(
            ax,
            x[best],
            mean[best],
            escape_math(f"best: {mean[best]:.4g} at {value}"),
        )


def _set_knob_axis(axes, values, x, scale):
    """Scale and ticks of the horizontal axis of all panels."""
    for ax in axes:
        if scale == "symlog":
            positive = np.abs(x[x != 0])
            ax.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)
        elif scale == "log":
            ax.set_xscale("log")
    if scale != "categories":
        return
    labels = [value_label(value) for value in values]
    # Labels lie flat while they fit side by side, about 70 characters in all.
    flat = sum(len(label) + 2 for label in labels) <= 70
    labels = [escape_math(shorten(label, 18)) for label in labels]
    rotation = {} if flat else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    axes[-1].set_xticks(x, labels, fontsize="small", **rotation)
