"""Holding out validation rows."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from skreg.engine.random import Purpose, generator


def hold_out(n, fraction, seed, classes=None):
    """Split row numbers into training and validation rows.

    Parameters
    ----------
    n : int
        Rows.
    fraction : float or int
        Share of the rows (rounded up) or number of rows to hold out.
    seed : int
    classes : ndarray of int, shape (n,), optional
        Stratify by these where every class has 2 rows or more: rows are sorted by class, in random
        order within, and taken at equal distances, so each class is represented to within one row.

    Returns
    -------
    train, valid : ndarray of int, or None where a share of the rows leaves nothing to train on

    Raises
    ------
    ValueError
        Where a number of rows leaves nothing to train on.
    """
    count = int(fraction) if isinstance(fraction, Integral) else math.ceil(fraction * n)
    if count >= n:
        if not isinstance(fraction, Integral):
            return None
        raise ValueError(
            f"validation_fraction={fraction} rows leave no training rows of {n}. Use a smaller "
            "number, a share such as 0.15, or early_stopping=False."
        )
    rng = generator(seed, Purpose.HELD_OUT_ROWS)
    order = rng.permutation(n)
    if classes is not None and np.bincount(classes)[np.unique(classes)].min() >= 2:
        order = order[np.argsort(classes[order], kind="stable")]
        places = np.floor((np.arange(count) + rng.random()) * (n / count)).astype(np.int64)
        places = np.minimum(places, n - 1)
    else:
        places = np.arange(count)
    chosen = np.zeros(n, dtype=bool)
    chosen[order[places]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
