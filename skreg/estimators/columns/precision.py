"""Numbers of a prepared table that do not fit the precision of training."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def within_precision(table, numbers, preparation, names=None, most=None):
    """The prepared table, in which no number is too large for its precision.

    Parameters
    ----------
    table : ndarray or CSR matrix
    numbers : ndarray or CSR matrix
        What it was made of.
    preparation : Preparation
    names : sequence of str, optional
        The user's names of the columns.
    most : float, optional
        Largest number to allow, where squares of numbers are added up.

    Raises
    ------
    ValueError
        For a number that is too large; it names the column and the remedy.
    """
    values = table.data if sp.issparse(table) else table
    most = np.finfo(table.dtype).max if most is None else most
    with np.errstate(over="ignore", invalid="ignore"):
        if values.size == 0 or max(values.max(), -values.min()) <= most:
            return table
    # Columns of zeros and ones are never too large: it is a numeric one.
    j = _first_beyond(table, most)
    bad = _beyond(_column(table, j), most)
    value = _column(numbers, preparation.numeric[j])[bad][0]
    scaled = preparation.scale is not None
    dtype = table.dtype.name
    raise ValueError(
        f"Input X contains values too large for dtype={dtype!r}, beyond {most:.2g}: column "
        f"{preparation.called(names)[j]!r} has {np.count_nonzero(bad)} such values"
        f"{f' once it is scaled by {preparation.settings.scale!r}' if scaled else ''}, such as "
        f"{value:g}. {_remedies(dtype, preparation.settings.scalable and not sp.issparse(numbers))}"
    )


def _remedies(dtype, scalable):
    """What to do about such numbers."""
    found = [] if not scalable else ["use scale_features='robust' or 'quantile'"]
    if dtype != "float64":
        found.append("set dtype='float64' of the net")
    text = ", or ".join([*found, "look where such values come from"])
    return f"{text[0].upper()}{text[1:]}."


def _beyond(values, most):
    """Which values are too large, or no numbers."""
    with np.errstate(invalid="ignore"):
        return ~(np.abs(values) <= most)


def _first_beyond(table, most):
    """Number of the first column with a value that is too large."""
    if sp.issparse(table):
        return int(table.indices[_beyond(table.data, most)].min())
    return int(np.flatnonzero(_beyond(table, most).any(axis=0))[0])


def _column(table, j):
    """Values of a column."""
    return table[:, [j]].toarray()[:, 0] if sp.issparse(table) else table[:, j]
