"""Each knob of a search against how good the settings are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import skew

from ._base import Display, check_choice
from ._search_data import FATES, check_search, fates
from ._search_path import is_number, value_label
from ._style import COLORS, escape_math, fixed, new_grid, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal, Self

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skreg import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV

LABELS = {"standing": "Standing", "score": "Score", "loss": "Last loss"}

#: Panels beside each other, inches of one, and of the legend and the label below.
_COLUMNS, _PANEL, _FRAME_HEIGHT = 3, (2.5, 1.75), 0.5

#: Points of which each point of the curve is the mean: this part of them, and at least so many.
_PART, _FEWEST = 1 / 4, 8

#: Different numbers up to which each is a value of its own, settings of which a mean is drawn, and letters
#: that fit below a panel.
_FEW_VALUES, _FEW_IN_SLOT, _LETTERS = 6, 3, 34


class KnobDisplay(Display):
    """How good settings are against each knob of a search, with a panel for each knob.

    Numbers that lie more evenly on a logarithmic axis are on one; zero, where all others are positive, and
    what is no number stand beside them. Make one with :meth:`from_estimator`. All parameters are stored as
    attributes.

    Parameters
    ----------
    table : DataFrame of shape (n_settings, n_columns)
        One row a setting, with the columns ``fate`` ("given up", "finished" or "in the ensemble"),
        ``standing`` (how good it is among all, 1 for the best and 0 for the worst), ``score``, ``loss``, and
        a column a knob.

    knobs : sequence of str
        What is drawn, in this order.

    importance : DataFrame or None, default=None
        As of ``knob_importance()``; written above the panels.

    Attributes
    ----------
    points_ : dict of str to list of matplotlib Line2D
        The settings, for each knob.

    means_ : dict of str to matplotlib Line2D or None
        Of each knob the moving mean, or the mean of each value. None where there are few settings.

    axes_ : list of matplotlib Axes
        One for each knob.

    figure_ : matplotlib Figure
        The figure that holds them.

    See Also
    --------
    RegularizedMLPClassifierCV.knob_importance : Which knobs matter, with its uncertainty.
    SearchDisplay : How the settings did rung by rung.

    Examples
    --------
    >>> import pandas as pd
    >>> from skreg.display import KnobDisplay
    >>> table = pd.DataFrame(
    ...     {"fate": ["finished", "given up"], "standing": [1.0, 0.0], "dropout": [0.2, 0.0]}
    ... )
    >>> KnobDisplay(table=table, knobs=["dropout"]).frame()["dropout"].tolist()
    [0.2, 0.0]
    """

    points_: dict[str, list[Line2D]]
    means_: dict[str, Line2D | None]
    axes_: list[Axes]
    figure_: Figure

    def __init__(
        self,
        *,
        table: pd.DataFrame,
        knobs: Sequence[str],
        importance: pd.DataFrame | None = None,
    ) -> None:
        self.table = table
        self.knobs = knobs
        self.importance = importance

    @classmethod
    def from_estimator(
        cls,
        search: RegularizedMLPClassifierCV | RegularizedMLPRegressorCV,
        *,
        knobs: Sequence[str] | None = None,
        n_knobs: int = 9,
        ax: Axes | Sequence[Axes] | None = None,
        plot: bool = True,
        **plot_kw: Any,
    ) -> Self:
        """Draw the knobs of a fitted search.

        Parameters
        ----------
        search : RegularizedMLPClassifierCV or RegularizedMLPRegressorCV
            Fitted.

        knobs : sequence of str or None, default=None
            Names of knobs, as of ``knob_importance()``; ``None`` takes the most important ones, where
            there are enough settings to say so.

        n_knobs : int, default=9
            How many of them where `knobs` is None.

        ax : matplotlib Axes, sequence of Axes or None, default=None
            Where to draw, one for each knob; ``None`` makes a figure.

        plot : bool, default=True
            False keeps the data and draws nothing.

        **plot_kw : dict
            Passed on to :meth:`plot`.

        Returns
        -------
        display : KnobDisplay

        Raises
        ------
        TypeError
            If `search` is not one of these.
        NotFittedError
            If it is not fitted.
        ValueError
            If it has not all of `knobs`, or none that varies.
        """
        check_search(search)
        values, standing = search._knobs_and_standing()
        if values.empty:
            raise ValueError("All settings of this search have the same values: there is no knob.")
        importance = _importance(search)
        order = values if importance is None else importance["knob"]
        wanted = list(order)[:n_knobs] if knobs is None else list(knobs)
        unknown = [name for name in wanted if name not in values]
        if unknown:
            raise ValueError(
                f"knobs has {unknown}, which are not varied in this search. Its knobs are "
                f"{sorted(values)}."
            )
        table = fates(search).assign(standing=standing, **values)
        display = cls(table=table, knobs=wanted, importance=importance)
        return display._drawn_if(plot, ax, **plot_kw)

    def frame(self) -> pd.DataFrame:
        """The numbers behind the figure.

        Returns
        -------
        frame : DataFrame of shape (n_settings, n_columns)
            A copy of `table`.
        """
        return pd.DataFrame(self.table).copy()

    def plot(
        self,
        ax: Axes | Sequence[Axes] | None = None,
        *,
        y: Literal["standing", "score", "loss"] = "standing",
    ) -> Self:
        """Draw the figure.

        Parameters
        ----------
        ax : matplotlib Axes, sequence of Axes or None, default=None
            Where to draw, one for each knob; ``None`` makes a figure, three panels wide.

        y : {"standing", "score", "loss"}, default="standing"
            ``"standing"`` is the place among all settings, those that were given up included, as of
            ``knob_importance()``; ``"score"`` is that of the settings that were trained to the end;
            ``"loss"`` is the last one, which of settings that were given up is that after few epochs.

        Returns
        -------
        display : KnobDisplay
            This object, with the artists as attributes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `y` is none of these, or `ax` does not hold one axes for each knob.
        """
        check_choice("y", y, LABELS)
        caller = f"{type(self).__name__}.plot"
        axes = new_grid(
            caller, ax, len(self.knobs), columns=_COLUMNS, panel=_PANEL, frame=_FRAME_HEIGHT
        )
        frame = self.frame()
        frame = frame[np.isfinite(frame[y].astype(float))]
        self.points_, self.means_ = {}, {}
        for number, (panel, knob) in enumerate(zip(axes, self.knobs, strict=True)):
            scale = _Scale(frame[knob])
            self.points_[knob] = self._draw_points(panel, frame, scale, knob, y)
            self.means_[knob] = _draw_means(panel, scale, frame[y].to_numpy(dtype=float))
            scale.set_ticks(panel)
            self._set_title(panel, knob)
            panel.tick_params(labelsize=8)
            if ax is not None or number % _COLUMNS == 0:
                panel.set_ylabel(LABELS[y], fontsize=9)
        if ax is None:
            self._draw_legend(axes)
        self.axes_ = axes
        self.figure_ = axes[0].figure
        return self

    def _draw_points(self, ax, frame, scale, knob, y):
        lines = []
        for order, (fate, look) in enumerate(FATES.items()):
            own = (frame["fate"] == fate).to_numpy()
            if not own.any():
                continue
            (line,) = ax.plot(
                scale.at[own],
                frame[y][own],
                linestyle="none",
                markersize=3.5,
                alpha=0.7 if fate == "given up" else 1.0,
                zorder=2 + order,
                label=fate,
                **look,
            )
            lines.append(line)
        return lines

    def _set_title(self, ax, knob):
        """The name of the knob and its importance."""
        ax.set_title(escape_math(shorten(knob, 22)), fontsize=9, loc="left")
        if self.importance is None:
            return
        own = pd.DataFrame(self.importance).set_index("knob").loc[knob]
        text = f"{fixed(own['importance'], 2)} ± {own['std']:.2f}"
        ax.set_title(text, fontsize=7.5, loc="right", color=COLORS["grey"])

    def _draw_legend(self, axes):
        """What the marks and the numbers are, once, around all panels."""
        figure = axes[0].figure
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside upper right",
            ncols=len(labels),
            fontsize="small",
            frameon=False,
        )
        if self.importance is not None:
            text = "At the right above each panel: importance of the knob ± its standard error"
            figure.supxlabel(text, fontsize=8, color=COLORS["grey"])


def _importance(search):
    """Of the knobs; None where there are too few settings to say."""
    try:
        return search.knob_importance(random_state=0)
    except ValueError:
        return None


def _draw_means(ax, scale, y):
    """The moving mean of what lies on the continuum, and the mean of each value beside it."""
    if len(y) < 2 * _FEWEST:
        return None
    x, means = [], []
    for name, slot in scale.slots.items():
        # A gap after each, so that the line is a bar of its own.
        own = y[scale.names == name]
        if len(own) < _FEW_IN_SLOT:
            continue
        x += [slot - 0.7 * scale.half, slot + 0.7 * scale.half, np.nan]
        means += [own.mean(), own.mean(), np.nan]
    inside = scale.names == ""
    if inside.sum() >= _FEWEST:
        order = np.argsort(scale.at[inside], kind="stable")
        size = max(_FEWEST, int(_PART * len(order)))
        moving = pd.DataFrame({"x": scale.at[inside][order], "y": y[inside][order]})
        moving = moving.rolling(size).mean().dropna()
        x += moving["x"].tolist()
        means += moving["y"].tolist()
    (line,) = ax.plot(x, means, color="black", linewidth=1.5, zorder=1.5, label="mean")
    return line


def _are_few(numbers):
    """Whether numbers are a few values that come again, as those of a grid."""
    distinct = len(np.unique(numbers))
    return distinct <= 1 or (distinct <= _FEW_VALUES and 2 * distinct <= len(numbers))


def _is_even_in_logarithms(numbers):
    """Whether the logarithms of numbers lie more evenly than the numbers, as log-uniform ones do."""
    distinct = np.unique(numbers)
    if distinct[0] <= 0 or distinct[-1] < 5 * distinct[0]:
        return False
    return bool(abs(skew(np.log(distinct))) < abs(skew(distinct)))


class _Scale:
    """Where the values of a knob stand on the horizontal axis of its panel.

    Numbers lie between 0 and 1, and what is no number, or is zero where the others are positive, in slots to
    the left. Few different values all have slots, side by side.

    Attributes
    ----------
    at : ndarray of float
        The place of each value. In slots they are spread a little, so that one sees how many there are.
    names : ndarray of str
        Of the slot of each value, "" outside of slots.
    slots : dict of str to float
        The places of the slots.
    half : float
        Half the width of a slot.
    """

    def __init__(self, values):
        numbers = np.array([float(v) if is_number(v) else np.nan for v in values])
        positive = numbers[numbers > 0]
        off = np.count_nonzero(numbers == 0) if len(positive) and np.nanmin(numbers) >= 0 else 0
        continuous = np.isfinite(numbers) & ((numbers > 0) | (not off))
        if _are_few(numbers[continuous]):
            continuous[:] = False
        self._log = bool(continuous.any()) and _is_even_in_logarithms(numbers[continuous])
        self.names = np.where(continuous, "", [value_label(value) for value in values])
        order = np.lexsort((self.names, np.nan_to_num(numbers, nan=-np.inf)))
        names = [name for name in dict.fromkeys(self.names[order]) if name]
        self._inside = numbers[continuous]
        if continuous.any():
            self.half = 0.05
            self.slots = {n: -0.17 * (len(names) - i) for i, n in enumerate(names)}
        else:
            self.half = 0.4
            self.slots = {name: float(i) for i, name in enumerate(names)}
        self.at = np.array([self.slots.get(name, 0.0) for name in self.names])
        spread = np.random.default_rng(0).uniform(-0.8, 0.8, len(self.at)) * self.half
        self.at = np.where(continuous, self._place(numbers), self.at + spread)

    def _place(self, numbers):
        """Places of numbers between 0 and 1."""
        if not len(self._inside):
            return np.zeros(len(numbers))
        low, high = self._inside.min(), self._inside.max()
        if self._log:
            with np.errstate(divide="ignore"):
                return np.log(numbers / low) / np.log(high / low)
        return (numbers - low) / (high - low)

    def set_ticks(self, ax):
        """Name the slots and some numbers."""
        ticks = {place: name for name, place in self.slots.items()}
        if len(self._inside):
            numbers = np.array(self._round_numbers())
            ticks |= dict(zip(self._place(numbers), map(value_label, numbers), strict=True))
            ax.set_xlim(min([0.0, *self.slots.values()]) - 0.08, 1.05)
        else:
            ax.set_xlim(-0.6, len(self.slots) - 0.4)
        labels = [escape_math(shorten(label, 14)) for label in ticks.values()]
        # Labels lie flat while they fit side by side.
        flat = max(map(len, labels)) * len(labels) <= _LETTERS or len(self._inside)
        turned = {} if flat else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(list(ticks), labels, **turned)

    def _round_numbers(self):
        """Round numbers within the continuum, up to four and as many as there is room for."""
        from matplotlib.ticker import LogLocator, MaxNLocator

        low, high = self._inside.min(), self._inside.max()
        if not self._log:
            found = MaxNLocator(nbins=3, steps=[1, 2, 5, 10]).tick_values(low, high)
        else:
            subs = (1.0,) if np.log10(high / low) >= 2 else (1.0, 3.0)
            found = LogLocator(subs=subs, numticks=99).tick_values(low, high)
        found = [x for x in found if low * (1 - 1e-9) <= x <= high * (1 + 1e-9)]
        found, kept = found[:: -(-len(found) // 4) or 1], []
        for x, place in zip(found, self._place(np.array(found)), strict=True):
            letters = len(value_label(x))
            if not kept or place - kept[-1][1] > 0.7 * (letters + kept[-1][2]) / _LETTERS:
                kept.append((x, place, letters))
        return [x for x, _, _ in kept]
