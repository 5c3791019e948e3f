"""Holding out validation rows."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np

from skreg.train.random import Purpose, generator


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
        Stratify by these: rows are sorted by class, in random order within, and taken at equal
        distances, so each class is represented to within one row. The row of a class of one row is
        for training. Where that leaves less than twice as many rows as are to be held out, rows are
        drawn from all classes alike.

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
    places = np.arange(count)
    several = None if classes is None else np.bincount(classes)[classes] > 1
    if several is not None and (several.all() or np.count_nonzero(several) >= 2 * count):
        order = order[several[order]]
        order = order[np.argsort(classes[order], kind="stable")]
        places = np.floor((places + rng.random()) * (len(order) / count)).astype(np.int64)
        places = np.minimum(places, len(order) - 1)
    chosen = np.zeros(n, dtype=bool)
    chosen[order[places]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
