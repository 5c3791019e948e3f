"""Facts of a table by which one regularizer or another is known to help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.feature_selection import f_classif, f_regression
from sklearn.utils import _safe_indexing

from skreg.comparison.origins import count_columns, origins_of
from skreg.comparison.preparing import make_preprocessor, needs_encoding
from skreg.comparison.statistics import benjamini_hochberg

__all__ = ["Profile", "describe_table"]

MAX_ROWS = 5000
MAX_PAIRED = 1000
HIGH_CORRELATION = 0.8


@dataclass(frozen=True)
class Profile:
    """The facts that the rules of the summary use.

    Attributes
    ----------
    n_rows : int
        Rows of the table.
    n_columns : int
        Columns of the table.
    n_features : int
        Columns of the table that are not constant; what a column is encoded as does not count anew.
    n_unrelated : int
        Columns without any detectable association with the target: neither their value, or that of
        what they are encoded as, nor its distance from the mean, F-tests at a false discovery rate of
        5 %.
    n_correlated : int
        Columns with a correlation of 0.8 or more, in absolute value, with another column, or between
        what the two are encoded as.
    """

    n_rows: int
    n_columns: int
    n_features: int
    n_unrelated: int
    n_correlated: int

    @property
    def share_unrelated(self) -> float:
        """Share of the columns that are unrelated to the target."""
        return self.n_unrelated / max(1, self.n_features)

    @property
    def share_correlated(self) -> float:
        """Share of the columns that have a near copy among the others."""
        return self.n_correlated / max(1, self.n_features)


def describe_table(
    X: Any, y: NDArray, task: str, preprocessor: Any, *, random_state: int = 0
) -> tuple[Profile, NDArray[np.float64], NDArray[np.intp]]:
    """Measure the facts of a table on at most 5,000 of its rows.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_columns)
        The table.
    y : ndarray of shape (n_samples,)
        Its target.
    task : {"classification", "regression"}
        Kind of target.
    preprocessor : transformer or None
        Fitted here on the drawn rows. Where there is none and the table has text, the usual one is.
    random_state : int, default=0
        Seed of the draw of rows.

    Returns
    -------
    profile : Profile
    Z : ndarray of shape (n_drawn, n_features)
        The prepared, standardised rows that were drawn, without constant features.
    rows : ndarray of shape (n_drawn,)
        Which rows they are, in the order of the table.
    """
    n_rows, rows = len(y), np.arange(len(y))
    if n_rows > MAX_ROWS:
        draw = np.random.RandomState(random_state).choice(n_rows, MAX_ROWS, replace=False)
        rows = np.sort(draw)
    Z = _safe_indexing(X, rows)
    table = Z
    if preprocessor is None and needs_encoding(X):
        preprocessor = make_preprocessor(X)
    if preprocessor is not None:
        preprocessor = clone(preprocessor)
        Z = preprocessor.fit_transform(Z)
    origins = origins_of(preprocessor, table)
    Z, varying = _standardised(Z)
    if origins is None or len(origins) != len(varying):  # then features are counted
        origins = np.arange(len(varying))
    origins = origins[varying]
    profile = Profile(
        n_rows=n_rows,
        n_columns=X.shape[1],
        n_features=len(np.unique(origins)),
        n_unrelated=count_columns(_unrelated(Z, y[rows], task), origins, need_all=True),
        n_correlated=_count_correlated(Z, origins, random_state),
    )
    return profile, Z, rows


def _standardised(Z: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Standardised features that vary, and which of all they are."""
    Z = Z.toarray() if hasattr(Z, "toarray") else np.asarray(Z)
    Z = np.nan_to_num(Z.astype(np.float64))
    spread = Z.std(axis=0)
    varying = spread > 1e-10 * np.maximum(1.0, np.abs(Z).max(axis=0, initial=0.0))
    return (Z[:, varying] - Z[:, varying].mean(axis=0)) / spread[varying], varying


def _unrelated(Z: NDArray[np.float64], y: NDArray, task: str) -> NDArray[np.bool_]:
    """Features without any detectable association with the target."""
    if Z.shape[1] == 0:
        return np.zeros(0, dtype=bool)
    test = f_classif if task == "classification" else f_regression
    with np.errstate(all="ignore"):
        by_value = test(Z, y)[1]
        distance = np.abs(Z)
        # a balanced feature of two values has the same distance from the mean in every row
        by_distance = np.ones(Z.shape[1])
        varying = distance.std(axis=0) > 1e-10
        if varying.any():
            by_distance[varying] = test(distance[:, varying], y)[1]
    p_values = np.minimum(1.0, 2 * np.fmin(by_value, by_distance))
    return ~benjamini_hochberg(p_values)


def _count_correlated(Z: NDArray[np.float64], origins: NDArray[np.intp], random_state: int) -> int:
    n_features = Z.shape[1]
    if n_features > MAX_PAIRED:
        chosen = np.random.RandomState(random_state).choice(n_features, MAX_PAIRED, replace=False)
        n_columns, some = len(np.unique(origins)), origins[chosen]
        share = _count_correlated(Z[:, chosen], some, random_state) / len(np.unique(some))
        return round(share * n_columns)
    if n_features < 2:
        return 0
    correlation = np.abs(Z.T @ Z / len(Z))
    # what one column is encoded as says nothing of another one
    correlation[origins[:, None] == origins] = 0.0
    return count_columns(correlation.max(axis=1) >= HIGH_CORRELATION, origins)
