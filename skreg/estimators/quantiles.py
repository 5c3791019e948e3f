"""Quantiles of rows that have weights."""

from __future__ import annotations

import numpy as np


def quantiles(values, weight, shares):
    """Weighted quantiles: means of both neighbours where a share falls between two values.

    A row of weight 2 counts as the row given twice.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite.
    weight : ndarray of shape (n,) or None
    shares : sequence of float in (0, 1)

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> import numpy as np
    >>> quantiles(np.array([3.0, 1.0, 2.0, 4.0]), None, [0.5])
    array([2.5])
    >>> quantiles(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 2.0]), [0.5])
    array([5.5])
    """
    if weight is None:
        return _of_equal_rows(values, np.asarray(shares))
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    targets = np.asarray(shares) * total[-1]
    # Sums of weights are rounded: a share that falls on the edge of a row must be seen to.
    room = 1e-12 * total[-1]
    last = len(values) - 1
    left = np.minimum(np.searchsorted(total, targets - room), last)
    right = np.minimum(np.searchsorted(total, targets + room), last)
    return 0.5 * (values[order[left]] + values[order[right]])


def _of_equal_rows(values, shares):
    """The same without weights, without sorting; numpy's quantiles take five times as long for few rows."""
    n = len(values)
    room = 1e-12 * n
    left = np.ceil(shares * n - room).astype(np.intp) - 1
    right = np.minimum(np.floor(shares * n + room).astype(np.intp), n - 1)
    parted = np.partition(values, np.concatenate([left, right]))
    return 0.5 * (parted[left] + parted[right])
