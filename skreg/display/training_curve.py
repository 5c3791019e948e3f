"""The course of one fit: training and validation loss, the best epoch, the patience window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ._base import Display, check_choice, mark_best
from ._style import (
    COLORS,
    FIGSIZE,
    TEST,
    TRAIN,
    escape_math,
    is_wide,
    label_log_axis,
    shorten,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from skreg import typing as types

COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_score", "learning_rate")

#: Colours of metrics, in the order in which they were asked for; further ones begin anew.
_OF_METRICS = ("green", "blue", "vermillion", "grey")

ENDINGS = {
    "patience": "out of patience",
    "max_iter": "all epochs used",
    "max_time": "out of time",
    "tol": "training loss settled",
    "interrupt": "interrupted",
    "diverged": "diverged",
}


class TrainingCurveDisplay(Display):
    """Training and validation loss of one fit, epoch by epoch.

    Make one with :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    history : DataFrame of shape (n_epochs, n_columns)
        As the fitted attribute `history_`: one row for each epoch, the columns ``epoch`` and
        ``train_loss`` and, if they were measured, ``valid_loss``, ``valid_score`` and
        ``learning_rate``, then a column ``valid_...`` or ``train_...`` for each of the estimator's
        ``metrics``.

    best_epoch : int or None, default=None
        The epoch whose weights the estimator kept, in the numbers of the column ``epoch``.

    patience : int or None, default=None
        Epochs without improvement after which training ends. ``None`` draws no window.

    stopped_by : str or None, default=None
        What ended training: ``"patience"``, ``"max_iter"``, ``"max_time"``, ``"tol"``,
        ``"interrupt"`` or ``"diverged"``.

    scoring : str or None, default=None
        The metric by which the best epoch was chosen, if that is not the loss.

    name : str or None, default=None
        What the figure calls the estimator.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The training loss.

    valid_line_ : matplotlib Line2D or None
        The validation loss; None where none was measured.

    best_line_ : matplotlib Line2D or None
        The vertical line at the best epoch.

    best_point_ : matplotlib Line2D or None
        The validation loss at the best epoch.

    patience_span_ : matplotlib Patch or None
        The epochs in which training waited for an improvement.

    ax_ : matplotlib Axes
        The axes of the losses.

    metric_ax_ : matplotlib Axes or None
        Those of the metrics; None where none were asked for, or one axes was given.

    metric_lines_ : dict of str to matplotlib Line2D
        The lines of the metrics, by their columns.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    ValidationPathDisplay : Scores against one knob.
    ComparisonDisplay : Which regularizer pays.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import TrainingCurveDisplay
    >>> history = pd.DataFrame(
    ...     {"epoch": [1, 2, 3], "train_loss": [0.9, 0.5, 0.3], "valid_loss": [0.8, 0.6, 0.7]}
    ... )
    >>> display = TrainingCurveDisplay(history=history, best_epoch=2, patience=1)
    >>> int(display.frame()["best"].sum())
    1
    """

    line_: Line2D
    valid_line_: Line2D | None
    best_line_: Line2D | None
    best_point_: Line2D | None
    patience_span_: Patch | None
    ax_: Axes
    metric_ax_: Axes | None
    metric_lines_: dict[str, Line2D]
    figure_: Figure

    def __init__(
        self,
        *,
        history: pd.DataFrame,
        best_epoch: int | None = None,
        patience: int | None = None,
        stopped_by: str | None = None,
        scoring: str | types.Scorer | None = None,
        name: str | None = None,
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch
        self.patience = patience
        self.stopped_by = stopped_by
        self.scoring = scoring
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: Axes | Sequence[Axes] | None = None,
        name: str | None = None,
        plot: bool = True,
    ) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~skreg.RegularizedMLPClassifier` or
            :class:`~skreg.RegularizedMLPRegressor`, or a fitted pipeline, search or
            target transformer around one.

        ax : matplotlib Axes, pair of Axes or None, default=None
            Where to draw: the losses, or the losses and the metrics. ``None`` makes a figure, with a
            panel for the metrics where the estimator has some.

        name : str or None, default=None
            What the figure calls the estimator; ``None`` takes the name of its class.

        plot : bool, default=True
            False keeps the data and draws nothing: for :meth:`frame`, or to draw later.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If neither the estimator nor what it wraps has a `history_`.
        ImportError
            If matplotlib is not installed and `plot` is true.
        """
        check_is_fitted(estimator)
        net = find_net(estimator)
        # Without early stopping `patience` has no effect.
        waits = getattr(net, "early_stopping", True)
        scoring, scores = getattr(net, "scoring", None), net.history_.get("valid_score")
        if scores is None or not scores.notna().any():
            scoring = None  # the metric was undefined, and the loss was watched
        display = cls(
            history=net.history_,
            best_epoch=getattr(net, "best_iter_", None),
            patience=getattr(net, "patience", None) if waits else None,
            stopped_by=getattr(net, "stopped_by_", None),
            scoring=scoring if isinstance(scoring, str) and scoring != "loss" else None,
            name=type(net).__name__ if name is None else name,
        )
        return display._drawn_if(plot, ax)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_epochs, n_columns + 2)
            The history, with the boolean columns ``best`` (the epoch that was kept) and
            ``waiting`` (an epoch of the patience window).
        """
        frame = pd.DataFrame(self.history).copy()
        epochs = frame["epoch"].to_numpy()
        first, last = self._window()
        frame["best"] = epochs == self.best_epoch if self.best_epoch is not None else False
        frame["waiting"] = (epochs > first) & (epochs <= last)
        return frame

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        name: str | None = None,
        scale: Literal["auto", "linear", "log"] = "auto",
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, pair of Axes or None, default=None
            Where to draw: the losses, or the losses and below them the metrics. ``None`` makes a figure of
            6 by 4 inches, 6 by 6.5 with a panel for the metrics where the history has some.

        name : str or None, default=None
            What the figure calls the estimator; ``None`` takes the stored name.

        scale : {"auto", "linear", "log"}, default="auto"
            Of the axis of the losses. ``"auto"`` is logarithmic where all losses are positive
            and the largest is 30 times the smallest or more.

        Returns
        -------
        display : TrainingCurveDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `scale` is none of the three.
        """
        check_choice("scale", scale, ("auto", "linear", "log"))
        frame = self.frame()
        ax, self.metric_ax_ = self._axes(ax)
        self.line_ = self._draw_line(ax, frame, "train_loss", "training", TRAIN)
        self.valid_line_ = self._draw_line(ax, frame, "valid_loss", "validation", TEST)
        self._draw_best(ax, frame)
        self._draw_window(ax)
        losses = _drawable(frame.filter(["train_loss", "valid_loss"]))
        positive = bool((losses[~np.isnan(losses)] > 0).all())
        if scale == "log" or (scale == "auto" and positive and is_wide(losses)):
            ax.set_yscale("log")
            label_log_axis(ax.yaxis)
        self._draw_metrics(frame)
        ax.set_ylabel("Loss")
        (ax if self.metric_ax_ is None else self.metric_ax_).set_xlabel("Epoch")
        ax.set_title(self._title(name, len(frame)), fontsize="medium")
        ax.legend(fontsize="small", framealpha=0.9)
        return self._drawn_on(ax)

    def _window(self):
        """First and last epoch of the patience window; the first one is not part of it."""
        if self.best_epoch is None or self.patience is None:
            return np.inf, -np.inf
        last = np.max(pd.DataFrame(self.history)["epoch"].to_numpy(), initial=0)
        return self.best_epoch, min(self.best_epoch + self.patience, last)

    def _metrics(self):
        """The columns of metrics."""
        columns = pd.DataFrame(self.history).columns
        return [c for c in columns if c not in COLUMNS and c.startswith(("train_", "valid_"))]

    def _axes(self, ax):
        """The axes of the losses, and those of the metrics or None."""
        room = ax is None or np.size(np.asarray(ax, dtype=object)) > 1
        n_rows = 2 if room and self._metrics() else 1
        figsize = (FIGSIZE[0], 6.5) if n_rows == 2 else FIGSIZE
        axes = self._new_axes(ax, figsize=figsize, n_rows=n_rows)
        return axes[0], axes[1] if n_rows == 2 else None

    def _draw_line(self, ax, frame, column, label, look):
        """One column against the epochs, or None where nothing finite was measured."""
        if column not in frame:
            return None
        loss = _drawable(frame[column])
        if np.isnan(loss).all():
            return None
        # About a dozen markers make the lines distinguishable in grey; one at each of a thousand
        # epochs would hide them.
        every = max(1, len(loss) // 12)
        (line,) = ax.plot(
            frame["epoch"],
            loss,
            label=label,
            markevery=every,
            markersize=4,
            linewidth=1.6,
            **look,
        )
        return line

    def _draw_metrics(self, frame):
        """The metrics against the epochs, where there are axes for them."""
        self.metric_lines_ = {}
        if self.metric_ax_ is None:
            return
        # One colour a metric, one line style a kind of rows.
        names = list(dict.fromkeys(column.split("_", 1)[1] for column in self._metrics()))
        for column in self._metrics():
            rows, name = column.split("_", 1)
            color = COLORS[_OF_METRICS[names.index(name) % len(_OF_METRICS)]]
            look = {**(TRAIN if rows == "train" else TEST), "color": color}
            label = f"{shorten(name, 24)}, {'training' if rows == 'train' else 'validation'}"
            line = self._draw_line(self.metric_ax_, frame, column, escape_math(label), look)
            if line is not None:
                self.metric_lines_[column] = line
        if self.best_line_ is not None:
            style = {"color": COLORS["grey"], "linestyle": ":", "linewidth": 1.2}
            self.metric_ax_.axvline(self.best_epoch, **style)
        self.metric_ax_.set_ylabel("Metric")
        if self.metric_lines_:
            self.metric_ax_.legend(fontsize="small", framealpha=0.9)

    def _draw_best(self, ax, frame):
        """The epoch that was kept, and the validation loss there."""
        self.best_line_ = self.best_point_ = None
        best = frame.loc[frame["best"]]
        if best.empty or self.valid_line_ is None:
            return
        self.best_line_ = ax.axvline(
            self.best_epoch, color=COLORS["grey"], linestyle=":", linewidth=1.2
        )
        chosen_by = f", by {shorten(self.scoring, 20)}" if self.scoring else ""
        self.best_point_ = mark_best(
            ax,
            best["epoch"],
            best["valid_loss"],
            f"best epoch ({self.best_epoch}{chosen_by})",
        )

    def _draw_window(self, ax):
        """The epochs that went by without an improvement."""
        self.patience_span_ = None
        first, last = self._window()
        if self.valid_line_ is None or last <= first:
            return
        self.patience_span_ = ax.axvspan(
            first,
            last,
            facecolor=COLORS["grey"],
            alpha=0.15,
            linewidth=0,
            label=f"patience ({last - first} of {self.patience} epochs)",
        )

    def _title(self, name, n_epochs):
        name = self.name if name is None else name
        count = f"{n_epochs} epoch{'s' if n_epochs != 1 else ''}"
        ending = ENDINGS.get(self.stopped_by, self.stopped_by)
        detail = f"{count}, {ending}" if ending else count
        return escape_math(f"{shorten(name, 34)}: {detail}" if name else detail)


def _drawable(losses):
    """Losses as numbers; NaN where a fit that diverged left values too large for an axis."""
    losses = losses.to_numpy(dtype=float)
    return np.where(np.abs(losses) < 1e30, losses, np.nan)


def find_net(estimator):
    """The part of a fitted estimator that has a `history_`.

    Parameters
    ----------
    estimator : estimator
        A net, or a pipeline, a search, a target transformer or another wrapper around one.

    Returns
    -------
    net : estimator

    Raises
    ------
    TypeError
        If there is none, or if it is a search of this package, whose `history_` is that of many nets.
    """
    inner = estimator
    while inner is not None:
        if hasattr(inner, "history_"):
            if "setting" in inner.history_:
                raise TypeError(
                    f"{type(inner).__name__} has trained many nets, of which this figure shows one. "
                    "SearchDisplay.from_estimator draws the whole search; pass one of its `estimators_` here."
                )
            return inner
        if getattr(inner, "steps", None):
            inner = inner.steps[-1][1]
            continue
        wrapped = ("best_estimator_", "regressor_", "estimator_")
        inner = next((getattr(inner, key) for key in wrapped if hasattr(inner, key)), None)
    raise TypeError(
        f"{type(estimator).__name__} has no `history_`, and wraps nothing that has one. Pass a "
        "fitted RegularizedMLPClassifier or RegularizedMLPRegressor, or a pipeline or a refitted "
        "search around one."
    )
