"""A table as it comes becomes a table of numbers: gaps are NaN, and of categories the numbers of levels.

What the columns are is learned in `fit` and kept as ``_levels``: a `Levels` for each column of categories.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, check_X_y, validate_data

from skreg.estimators.columns.levels import Levels, categorical_columns
from skreg.estimators.refusing import plain_targets, refuse_no_table
from skreg.estimators.tables import as_numpy, explaining, gaps_as_nan, validated

#: Precisions in which rows stay as they are; all others become float64.
FLOATS = (np.float64, np.float32)


def read(estimator, X, y, categorical, *, reset, **options):
    """Numbers and targets of a table, validated; what its columns are is learned the first time.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_``, ``feature_names_in_`` and ``_levels`` where ``reset``.
    X : array-like, DataFrame, sparse matrix or torch tensor of shape (n, d)
    y : array-like, or "no_validation"
    categorical : "from_dtype", array-like or None
    reset : bool
    **options
        Of scikit-learn's `check_X_y` for targets.

    Returns
    -------
    numbers : ndarray of shape (n, d), float64 or float32, or CSR matrix
    y : ndarray, or "no_validation"

    Raises
    ------
    ValueError
        For tables and targets that cannot be learned from.
    """
    X, y = _as_table(as_numpy(X)), as_numpy(y)
    refuse_no_table(X)
    if not isinstance(y, str) or y != "no_validation":
        y = plain_targets(y, numbers=bool(options.get("y_numeric")))
    if reset:
        chosen = categorical_columns(X, categorical) if _has_columns(X, categorical) else []
        estimator._levels = dict.fromkeys(chosen)
    options = {"dtype": FLOATS, "order": "C", "ensure_all_finite": "allow-nan", **options}
    options["accept_sparse"] = "csr"
    if not estimator._levels:
        found = validated(estimator, X, y, reset=reset, **options)
        return (found, y) if isinstance(y, str) else found
    return _with_categories(estimator, X, y, reset, options)


def read_to_predict(estimator, X):
    """Numbers of rows that a fitted estimator is to predict.

    They stay in their own precision and order. A table that scikit-learn's validation would hand back as it
    is, is not sent there: for one row the way there and back takes longer than the net.
    """
    if not estimator._levels and _is_fit_to_predict(estimator, X):
        return X
    return read(estimator, X, "no_validation", None, reset=False, order=None)[0]


def _is_fit_to_predict(estimator, X):
    """Whether a table is an array of finite floats with the columns of training, which had no names."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in FLOATS:
        return False
    n, d = X.shape
    if n == 0 or d != estimator.n_features_in_ or hasattr(estimator, "feature_names_in_"):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(X.sum())  # a sum is finite only if all that is added is


def _as_table(X):
    """Lists of rows with text become arrays of Python objects, so that each column keeps its type."""
    if not isinstance(X, list | tuple) or not X or not isinstance(X[0], list | tuple):
        return X
    try:
        kind = np.asarray(X).dtype.kind
    except ValueError:  # rows of unequal lengths: scikit-learn says so
        return X
    return np.array(X, dtype=object) if kind in "US" else X


def _has_columns(X, categorical):
    """Whether a table has columns that could hold categories."""
    if categorical is None or sp.issparse(X):
        if sp.issparse(X) and categorical is not None and not isinstance(categorical, str):
            raise ValueError(
                "categorical_features names columns of a sparse X, whose columns are taken as they are. "
                "Encode them first, for example by sklearn.preprocessing.OneHotEncoder, or pass X dense."
            )
        return False
    return hasattr(X, "columns") or (isinstance(X, np.ndarray) and X.ndim == 2)


def _with_categories(estimator, X, y, reset, options):
    """The same for a table with columns of categories."""
    if sp.issparse(X):  # the numbers of levels are looked up column by column
        X = X.toarray()
    # Names and number of the columns, which must be those of training.
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    n, d = X.shape
    numbers = np.empty((n, d))
    categories = list(estimator._levels)
    others = [j for j in range(d) if j not in estimator._levels]
    if others:
        numbers[:, others] = _numbers(estimator, _take(X, others), reset, options)
    for j in categories:
        if reset:
            estimator._levels[j], numbers[:, j] = Levels.learned(X, j)
        else:
            numbers[:, j] = estimator._levels[j].of(X, j)
    if isinstance(y, str):
        return numbers, y
    with explaining(estimator, numbers, y):
        return check_X_y(numbers, y, estimator=estimator, **options)


def _numbers(estimator, X, reset, options):
    """The numeric columns of a table that has others as well."""
    kept = {n: v for n, v in options.items() if n not in ("multi_output", "y_numeric")}
    kept |= {"order": None, "estimator": estimator, "input_name": "X"}
    with explaining(estimator, X, None, fitted=not reset):
        try:
            return check_array(X, **kept)
        except (TypeError, ValueError):
            whole = gaps_as_nan(X)
            if whole is None:
                raise
        return check_array(whole, **kept)


def _take(X, columns):
    """Some columns of a table that has columns of several types."""
    if hasattr(X, "iloc"):
        return X.iloc[:, columns]
    if hasattr(X, "column_names"):  # pyarrow
        return X.select(columns)
    return X[:, columns]
