"""Importances with their spread, one row each: columns of a table, or knobs of a search."""

from __future__ import annotations

from ._rows import label_below, rows_figsize, set_rows
from ._style import COLORS, decimals_for, fixed, new_axes


class ImportanceFigure:
    """A figure of importances.

    Parameters
    ----------
    table : DataFrame
        Columns name, importance and spread, in the order of the rows.
    """

    def __init__(self, table):
        self.table = table

    def plot(self, ax=None):
        """Draw it."""
        table = self.table
        (ax,) = new_axes("ImportanceFigure.plot", ax, figsize=rows_figsize(len(table)))
        decimals = decimals_for([table["importance"].abs().max()])
        texts = [fixed(value, decimals) for value in table["importance"]]
        set_rows(ax, table["name"].astype(str).tolist(), texts)
        ax.axvline(0.0, color=COLORS["grey"], linewidth=1, zorder=1)
        self.bars_ = ax.errorbar(
            table["importance"],
            range(len(table)),
            xerr=table["spread"],
            fmt="o",
            color=COLORS["blue"],
            markersize=5,
            linewidth=1.5,
        )
        label_below(ax, "importance")
        self.ax_, self.figure_ = ax, ax.figure
        return self
