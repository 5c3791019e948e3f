"""Rows as the user passed them: which of them a net is given, and those whose outputs are at hand."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils import _safe_indexing, indexable


class GivenRows:
    """Some rows of a table as the user passed it: a DataFrame stays one, CSR stays CSR.

    Parameters
    ----------
    X : array-like
    rows : ndarray of int
        Which rows.
    columns : ndarray of int, optional
        Which columns; by default all.
    """

    def __init__(self, X, rows, columns=None):
        self.X = X
        self.rows = rows
        self.columns = columns

    def take(self):
        """The rows, as a copy."""
        taken = _safe_indexing(indexable(self.X)[0], self.rows)
        if self.columns is None:
            return taken
        taken = taken if hasattr(taken, "shape") else np.asarray(taken)
        return _safe_indexing(taken, self.columns, axis=1)


def numbers_of_kept(n, sample_weight, y, factors):
    """Numbers of the rows that are left when those of weight zero are dropped.

    Parameters
    ----------
    n : int
        Rows that the user passed.
    sample_weight : array-like or None
        As the user passed it, and checked.
    y : ndarray
        Encoded targets; those of weight zero may be gone.
    factors : ndarray or None
        Weights of the classes.
    """
    rows = np.arange(n)
    if len(y) < n:
        weight = np.asarray(sample_weight, dtype=np.float64)
        rows = rows[np.broadcast_to(weight.ravel() if weight.ndim else weight, n) > 0]
    return rows if factors is None else rows[factors[y] > 0]


class KnownRows:
    """Rows whose outputs are at hand, so that predicting them costs nothing.

    Parameters
    ----------
    X : array-like
        What the scorer is given.
    original : array-like
        Equal to it, and out of the scorer's reach.
    outputs : ndarray, or list of ndarray
        Raw outputs, shape (n, o): of a net, or of each member of an ensemble.
    """

    def __init__(self, X, original, outputs):
        self.X = X
        self.original = original
        self.outputs = outputs

    def of(self, X):
        """The outputs for X; None where it is something else, or was changed since."""
        if X is not self.X:
            return None
        return self.outputs if X is self.original or _equal(X, self.original) else None


def _equal(X, other):
    try:
        if sp.issparse(X):
            return X.shape == other.shape and (other != X).nnz == 0
        if hasattr(X, "equals"):
            return bool(X.equals(other))
        return np.array_equal(np.asarray(X), np.asarray(other))
    except (TypeError, ValueError):
        return False
