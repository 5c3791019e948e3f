"""What the displays share: how they are made and drawn on, what they refuse, how they mark the best."""

from __future__ import annotations

from numbers import Integral

from ._style import COLORS, new_axes


class Display:
    """Base class. A subclass stores the numbers of a figure; ``frame`` gives them, and ``plot`` draws."""

    def _drawn_if(self, plot, ax, **plot_kw):
        """This display, drawn where `plot` is true: what each ``from_...`` returns."""
        return self.plot(ax=ax, **plot_kw) if plot else self

    def _new_axes(self, ax, **options):
        """The axes to draw on, as of `new_axes`."""
        return new_axes(f"{type(self).__name__}.plot", ax, **options)

    def _drawn_on(self, ax):
        """This display, with the axes that it was drawn on: what ``plot`` returns."""
        self.ax_ = ax
        self.figure_ = ax.figure
        return self


def check_choice(name, value, choices):
    """Refuse a value that is none of some.

    Raises
    ------
    ValueError
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {tuple(choices)}.")


def check_count(name, value):
    """Refuse what is no number of things to show.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be an int >= 1.")


def mark_best(ax, x, y, label):
    """A star at the best point of a curve."""
    (point,) = ax.plot(
        x,
        y,
        marker="*",
        markersize=13,
        linestyle="none",
        color=COLORS["blue"],
        markeredgecolor="white",
        zorder=4,
        label=label,
    )
    return point


def draw_band(ax, x, middle, half, color):
    """The spread around a curve."""
    return ax.fill_between(x, middle - half, middle + half, color=color, alpha=0.15, linewidth=0)
