"""Targets of regressors: how they are checked, and what they are scaled by."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from sklearn.utils import column_or_1d

from skreg.estimators.labels import dense
from skreg.estimators.quantiles import quantiles
from skreg.estimators.tables import text_for_numbers

#: Losses whose target is scaled by numbers that a few outliers do not move.
ROBUST_LOSSES = ("huber", "absolute_error", "pinball")

#: Median absolute deviation of a normal variable of standard deviation 1.
_NORMAL_DEVIATION = float(ndtri(0.75))

#: Shares of the rows beyond each of two quantiles, for targets of which half or more are one value.
_TAILS = (0.25, 0.1, 0.05, 0.02, 0.01)

#: Numbers between which squares can be added up.
_SQUARES_OF = 1e-140, 1e140


def check_numbers(y, loss):
    """Targets of a regressor as float64, (n,) or (n, n_targets)."""
    try:
        y = np.asarray(dense(y), dtype=np.float64)
    except ValueError:
        raise ValueError(text_for_numbers(y)) from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if loss == "poisson" and (y < 0).any():
        raise ValueError(
            f"loss='poisson' needs targets >= 0, but y has the value {y.min():g}. Use "
            "loss='squared_error' for such targets."
        )
    return y


def centre_and_scale(y, weight, loss):
    """What is subtracted from each target and what it is divided by, each of shape (n_targets,).

    The mean and the standard deviation; for the losses that outliers do not move, the median and
    1.4826 times the median absolute deviation from it, which is the standard deviation of normal
    targets; with "poisson" nothing and the mean.

    Parameters
    ----------
    y : ndarray of shape (n, n_targets)
    weight : ndarray of shape (n,) or None
    loss : str
    """
    if loss == "poisson":
        mean = np.average(y, axis=0, weights=weight)
        return np.zeros_like(mean), np.where(mean > 0, mean, 1.0)
    if loss in ROBUST_LOSSES:
        pairs = [_robust(column, weight) for column in y.T]
        centre, scale = (np.array(part) for part in zip(*pairs, strict=True))
    else:
        size = _unit(y)
        centre = np.average(y / size, axis=0, weights=weight) * size
        scale = _deviation(y, weight, centre)
    # A constant target, up to rounding, is left in its units.
    constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(centre)
    return centre, np.where(constant, 1.0, scale)


def _deviation(y, weight, centre):
    size = _unit(y)
    return size * np.sqrt(np.average(((y - centre) / size) ** 2, axis=0, weights=weight))


def _unit(y):
    """1, or for numbers whose squares would overflow or vanish the largest of them."""
    largest = np.abs(y).max()
    low, high = _SQUARES_OF
    return 1.0 if largest == 0 or low < largest < high else largest


def _robust(y, weight):
    """Median, and a scale that few rows do not move, of one target."""
    (median,) = quantiles(y, weight, [0.5])
    (deviation,) = quantiles(np.abs(y - median), weight, [0.5])
    if deviation > 0:
        return median, deviation / _NORMAL_DEVIATION
    # Half of the target or more is one value, as in many counts and amounts.
    for tail in _TAILS:
        low, high = quantiles(y, weight, [tail, 1.0 - tail])
        if high > low:
            return median, (high - low) / (2.0 * float(ndtri(1.0 - tail)))
    return median, float(_deviation(y, weight, median))
