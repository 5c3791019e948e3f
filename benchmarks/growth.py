"""What stored measurements of growth say: the slope on logarithmic axes."""

from __future__ import annotations

import numpy as np


def points(sizes, measured, figure):
    """Sizes and values of one contestant's figure, where there is one above zero.

    Parameters
    ----------
    sizes : sequence of int
    measured : sequence of dict
        As `benchmarks.scaling.one_size` gives them, one a size.
    figure : {"seconds", "mb"}

    Returns
    -------
    sizes, values : ndarray of shape (n_points,)
    """
    pairs = [(size, one[figure]) for size, one in zip(sizes, measured, strict=True) if one[figure]]
    return np.array(pairs, dtype=float).reshape(-1, 2).T


def slope(sizes, values):
    """The power of the size with which a value grows, over the upper half of the axis.

    What a call costs whatever the size hides growth at small sizes, so they do not count.

    Parameters
    ----------
    sizes, values : array-like of shape (n_points,)
        Above zero.

    Returns
    -------
    float
        Least squares on logarithmic axes; nan with fewer than two points there.

    Examples
    --------
    >>> from benchmarks.growth import slope
    >>> round(slope([1, 10, 100, 1000], [5.0, 5.0, 10.0, 100.0]), 6)
    1.0
    """
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if len(sizes) < 2:
        return float("nan")
    upper = sizes >= np.sqrt(sizes.min() * sizes.max()) * (1 - 1e-9)
    if upper.sum() < 2:
        return float("nan")
    return float(np.polyfit(np.log(sizes[upper]), np.log(values[upper]), 1)[0])
