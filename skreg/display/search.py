"""The course of a search: the losses of all settings, rung by rung."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._base import Display, check_choice
from ._rows import legend_above
from ._search_data import FATES, check_search, fates
from ._style import COLORS, is_wide, label_log_axis

if TYPE_CHECKING:
    from typing import Any, Literal, Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

    from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

#: Losses so many times as far from the best as the median is are above the axes, where all would else
#: be pressed together by those that diverge.
_REACH = 4.0


class SearchDisplay(Display):
    """Validation losses of all settings of a search, from rung to rung, and the best so far.

    A point is the loss of a setting at a rung or at the end of its training, pooled over the folds; a line
    joins the points of a setting. Make one with :meth:`from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    history : DataFrame
        One row a setting and rung, with the columns ``setting``, ``rung``, ``epoch``, ``seconds``, ``loss``
        and ``fate``: "given up", "finished" or "in the ensemble".

    ensemble_loss : float or None, default=None
        Loss of the ensemble, drawn as a horizontal line.

    Attributes
    ----------
    lines_ : dict of int to matplotlib Line2D
        The losses of each setting, by its number.

    best_line_ : matplotlib Line2D
        The least loss so far.

    ensemble_line_ : matplotlib Line2D or None
        The loss of the ensemble.

    above_ : matplotlib Line2D or None
        Marks at the upper edge of losses above it.

    rungs_ : list of matplotlib Text
        How many settings went on from each rung, where drawn against epochs.

    ax_ : matplotlib Axes
        The axes drawn on.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    KnobDisplay : Each knob against how good the settings are.
    EnsembleDisplay : Which settings the ensemble is made of.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import SearchDisplay
    >>> history = pd.DataFrame(
    ...     {
    ...         "setting": [0, 1, 0],
    ...         "rung": [0, 0, 1],
    ...         "epoch": [5, 5, 100],
    ...         "seconds": [1.0, 1.0, 9.0],
    ...         "loss": [0.5, 0.7, 0.3],
    ...         "fate": ["finished", "given up", "finished"],
    ...     }
    ... )
    >>> SearchDisplay(history=history).frame()["best"].tolist()
    [0.5, 0.5, 0.3]
    """

    lines_: dict[int, Line2D]
    best_line_: Line2D
    ensemble_line_: Line2D | None
    above_: Line2D | None
    rungs_: list[Text]
    ax_: Axes
    figure_: Figure

    def __init__(self, *, history: pd.DataFrame, ensemble_loss: float | None = None) -> None:
        self.history = history
        self.ensemble_loss = ensemble_loss

    @classmethod
    def from_estimator(
        cls,
        search: RegularizedMLPClassifierCV | RegularizedMLPRegressorCV,
        *,
        ax: Axes | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the course of a fitted search.

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
        display : SearchDisplay

        Raises
        ------
        TypeError
            If `search` is not one of these.
        NotFittedError
            If it is not fitted.
        """
        check_search(search)
        history = search.history_.copy()
        history["fate"] = fates(search)["fate"].to_numpy()[history["setting"]]
        by_loss = isinstance(search.scoring, str) and search.scoring == "loss"
        loss = -search.oof_score_ if by_loss and len(search.ensemble_) > 1 else None
        display = cls(history=history, ensemble_loss=loss)
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame
            The history in the order of time, with the column ``best``: the least loss so far.
        """
        frame = pd.DataFrame(self.history).sort_values("seconds", kind="stable", ignore_index=True)
        # Losses that were found at the same moment are one step.
        least = frame.groupby("seconds")["loss"].min().cummin()
        frame["best"] = frame["seconds"].map(least)
        return frame

    def plot(
        self,
        ax: Axes | None = None,
        *,
        x: Literal["seconds", "epoch"] = "seconds",
        scale: Literal["auto", "linear", "log"] = "auto",
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; ``None`` makes a figure of 6 by 4 inches.

        x : {"seconds", "epoch"}, default="seconds"
            Against the time since the search began, in which waves of settings follow each other; or
            against the epochs that a setting was trained for, on a logarithmic axis, where all begin
            together, and at each rung stands how many of the settings went on from it.

        scale : {"auto", "linear", "log"}, default="auto"
            Of the axis of the losses. ``"auto"`` is logarithmic where those drawn are positive and the
            largest is 3 times the smallest or more.

        Returns
        -------
        display : SearchDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `x` or `scale` is none of these.
        """
        check_choice("x", x, ("seconds", "epoch"))
        check_choice("scale", scale, ("auto", "linear", "log"))
        (ax,) = self._new_axes(ax)
        frame = self.frame()
        top = _top(frame["loss"])
        shown = frame["loss"][frame["loss"] <= top]
        self._draw_settings(ax, frame, x, top)
        self._draw_best(ax, frame, x)
        if scale == "log" or (scale == "auto" and shown.min() > 0 and is_wide(shown, ratio=3.0)):
            ax.set_yscale("log")
        if x == "epoch":
            ax.set_xscale("log")
        _limit(ax, shown)
        for axis, scale in ((ax.xaxis, ax.get_xscale()), (ax.yaxis, ax.get_yscale())):
            if scale == "log":
                label_log_axis(axis)
        self.rungs_ = _name_rungs(ax, frame) if x == "epoch" else []
        ax.set_xlabel("Seconds" if x == "seconds" else "Epochs of training")
        ax.set_ylabel("Validation loss, pooled over folds")
        handles, labels = ax.get_legend_handles_labels()
        legend_above(ax, handles, labels)
        return self._drawn_on(ax)

    def _draw_settings(self, ax, frame, x, top):
        """A thin line a setting; those that matter most are on top of the others."""
        self.lines_, labelled = {}, set()
        for order, (fate, look) in enumerate(FATES.items()):
            for number, own in frame[frame["fate"] == fate].groupby("setting"):
                (self.lines_[number],) = ax.plot(
                    own[x],
                    own["loss"].where(own["loss"] <= top),
                    linewidth=0.8 if fate == "given up" else 1.3,
                    alpha=0.7 if fate == "given up" else 1.0,
                    markersize=3.5,
                    zorder=2 + order,
                    label=None if fate in labelled else fate,
                    **look,
                )
                labelled.add(fate)
        self.above_ = None
        above = frame[~(frame["loss"] <= top)]
        if len(above):
            (self.above_,) = ax.plot(
                above[x],
                np.full(len(above), 0.98),
                transform=ax.get_xaxis_transform(),
                linestyle="none",
                marker="^",
                markersize=4,
                color=COLORS["grey"],
                label="beyond the axis",
            )

    def _draw_best(self, ax, frame, x):
        best = frame.groupby(x)["loss"].min().cummin()
        (self.best_line_,) = ax.step(
            best.index,
            best,
            where="post",
            color="black",
            linewidth=1.4,
            linestyle="--",
            zorder=6,
            label="best so far",
        )
        self.ensemble_line_ = None
        if self.ensemble_loss is not None:
            self.ensemble_line_ = ax.axhline(
                self.ensemble_loss,
                color=FATES["in the ensemble"]["color"],
                linestyle=":",
                linewidth=1.4,
                zorder=1,
                label="ensemble",
            )


def _name_rungs(ax, frame):
    """A line at each rung, and how many of those that came to it went on."""
    texts = []
    last = frame["rung"].max()
    for rung, own in frame[frame["rung"] < last].groupby("rung"):
        went_on = (frame["rung"] == rung + 1).sum()
        epoch = own["epoch"].max()
        ax.axvline(epoch, color=COLORS["grey"], linestyle=":", linewidth=0.8, zorder=0)
        text = ax.annotate(
            f"{went_on} of {len(own)}\ngo on",
            (epoch, 0.0),
            xytext=(4, 4),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
            fontsize=8,
            color=COLORS["grey"],
        )
        texts.append(text)
    return texts


def _top(losses):
    """The largest loss that is drawn."""
    losses = losses[np.isfinite(losses)]
    best = losses.min()
    return losses[losses <= best + _REACH * (losses.median() - best)].max()


def _limit(ax, shown):
    """All that is drawn, room above for the marks of what is not, and below for the rungs."""
    low, high = ax.get_ylim()
    top = shown.max()
    if ax.get_yscale() == "log":
        ax.set_ylim(low / (top / low) ** 0.12, max(high, top * (top / low) ** 0.08))
    else:
        ax.set_ylim(low - 0.12 * (top - low), max(high, top + 0.08 * (top - low)))
