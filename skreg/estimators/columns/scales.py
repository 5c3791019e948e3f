"""How numeric columns are scaled: each by numbers that are learned from the training rows.

Rows of weight 2 count as the row twice. Gaps (NaN) are left out, and stay gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from skreg.estimators.quantiles import quantiles

#: What no value gets beyond by the smooth clip, as in RealMLP. Values this far away have got there but
#: for rounding, and the squares of larger ones might be infinite.
SMOOTH, FAR = 3.0, 1e9

#: Points at which the normal scores of a column are kept; between them they are a line.
POINTS = 256

#: Share of its mean that the standard deviation of a constant column may have by rounding.
_ROUNDING = 1e-14


@dataclass
class Shifted:
    """``(x - centre) * factor``, with or without the smooth clip of RealMLP behind it.

    Attributes
    ----------
    centre, factor : ndarray of shape (m,)
    smooth : bool
        Whether ``z / sqrt(1 + (z / 3)^2)`` follows, which no value gets beyond 3 by.
    """

    centre: np.ndarray
    factor: np.ndarray
    smooth: bool

    def __call__(self, x):
        """Rows (n, m), in place."""
        with np.errstate(over="ignore"):  # said by whoever looks at what was made
            x -= self.centre
            x *= self.factor
        if self.smooth:
            np.clip(x, -FAR, FAR, out=x)
            squares = x / SMOOTH
            squares *= squares
            squares += 1.0
            x /= np.sqrt(squares, out=squares)
        return x


@dataclass
class NormalScores:
    """The normal score of each value: lines between points, and constant beyond the last ones.

    Attributes
    ----------
    points, scores : list of ndarray
        Of each column, ascending.
    """

    points: list
    scores: list

    def __call__(self, x):
        """Rows (n, m), in place."""
        for j, (points, scores) in enumerate(zip(self.points, self.scores, strict=True)):
            gaps = np.isnan(x[:, j])
            x[:, j] = np.interp(x[:, j], points, scores)
            x[gaps, j] = np.nan
        return x


def learn_scale(kind, x, weight):
    """The scale of the numeric columns of a table.

    Parameters
    ----------
    kind : {"standard", "robust", "quantile"}
    x : ndarray of shape (n, m)
        Finite, or NaN in gaps.
    weight : ndarray of shape (n,) or None

    Returns
    -------
    Shifted or NormalScores
    """
    learned = [_LEARN[kind](*_without_gaps(x[:, j], weight)) for j in range(x.shape[1])]
    if kind == "quantile":
        return NormalScores([p for p, _ in learned], [s for _, s in learned])
    pairs = np.array(learned, dtype=np.float64).reshape(-1, 2)
    return Shifted(pairs[:, 0].copy(), pairs[:, 1].copy(), kind == "robust")


def _without_gaps(values, weight):
    values = np.ascontiguousarray(values, dtype=np.float64)
    there = ~np.isnan(values)
    if there.all():
        return values, weight
    return values[there], None if weight is None else weight[there]


def _standard(values, weight):
    """Mean, and one over the standard deviation."""
    if not len(values):
        return 0.0, 1.0
    size = np.abs(values).max() or 1.0  # sums and squares of the largest numbers are infinite
    mean = np.average(values / size, weights=weight)
    centred = values / size - mean
    spread = np.sqrt(np.average(centred * centred, weights=weight))
    constant = spread <= _ROUNDING * abs(mean)
    return mean * size, 1.0 if constant else _one_over(spread * size)


def _robust(values, weight):
    """Median, and one over the range of the middle half; where that is zero, half of the whole range."""
    if not len(values):
        return 0.0, 1.0
    low, centre, high = quantiles(values, weight, [0.25, 0.5, 0.75])
    scale = high - low if high > low else 0.5 * (values.max() - values.min())
    return centre, _one_over(scale) if scale > 0 else 1.0


def _one_over(scale):
    """A finite number: of the smallest scales that there are, the largest."""
    with np.errstate(over="ignore"):
        return min(1.0 / scale, np.finfo(np.float64).max)


def _scores(values, weight):
    """Some values, ascending, and the normal scores of the middle of their ranks."""
    if not len(values):
        return np.zeros(1), np.zeros(1)
    points, number = np.unique(values, return_inverse=True)
    mass = np.bincount(number.ravel(), weights=weight)
    rank = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    if len(points) > POINTS:
        wanted = np.linspace(rank[0], rank[-1], POINTS)
        kept = np.unique(np.searchsorted(rank, wanted).clip(0, len(points) - 1))
        points, rank = points[kept], rank[kept]
    return points, ndtri(rank)


_LEARN = {"standard": _standard, "robust": _robust, "quantile": _scores}

SCALES = tuple(_LEARN)
