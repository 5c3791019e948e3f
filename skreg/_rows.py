"""Rows, weights and scorers as they come in: what is checked, dropped and warned of."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import scipy.sparse as sp

#: Ratio of the largest to the smallest standard deviation of a column that draws a warning.
_SCALE_RATIO = 1e3

#: Rows that are looked at for it, and entries of them at a time.
_SCALE_ROWS, _SCALE_ENTRIES = 10_000, 1 << 20

#: Precisions in which rows are predicted from as they are; all others become float64 as a whole.
PREDICTED_DTYPES = (np.float64, np.float32)

_NAN_REMEDY = (
    "\nNeural nets do not accept missing values: put sklearn.impute.SimpleImputer in front of this "
    "estimator, or skrub's TableVectorizer where the table has text and dates as well."
)


def weigh(X, y, weight, factors):
    """Rows with weights times the factor of their class; rows of weight zero are gone."""
    if factors is None:
        return X, y, weight
    return drop_unweighted(X, y, factors[y] if weight is None else factors[y] * weight)


def drop_unweighted(X, y, weight):
    """The rows whose weight is not zero."""
    kept = weight > 0
    if not kept.any():
        raise ValueError(
            "sample_weight, times class_weight if any, is zero for every row: no rows are left."
        )
    return (X, y, weight) if kept.all() else (X[kept], y[kept], weight[kept])


def with_remedy(error):
    """The error of scikit-learn's validation, with the remedy where it is about missing values."""
    text = str(error)
    if "Input X" in text and ("NaN" in text or "infinity" in text):
        return type(error)(text + _NAN_REMEDY)
    return error


def check_validation_arguments(X_val, y_val, sample_weight_val):
    """Validation rows come with their targets, and their weights with both."""
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} was given without {missing}. Pass both or neither.")
    if sample_weight_val is not None and X_val is None:
        raise ValueError("sample_weight_val was given without X_val and y_val. Pass all three.")


def takes_weights(scorer):
    """Whether a scorer can be called with ``sample_weight``."""
    # scikit-learn's scorers accept the argument and hand it to a metric that may not.
    function = getattr(scorer, "_score_func", scorer)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # written in C
        return False
    return any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters)


def numeric_columns(X):
    """Columns with more than two distinct values, as a tuple of ascending numbers.

    All others, as those of a one-hot encoding, say no more than which of two values it is.
    """
    low, high = (_dense(bound(axis=0)) for bound in (X.min, X.max))
    if sp.issparse(X):
        # What is not stored is zero, and a value that is stored twice would be two halves.
        X = X if X.has_canonical_format else _canonical(X)
        between = (X.data > low[X.indices]) & (X.data < high[X.indices])
        found = np.bincount(X.indices[between], minlength=X.shape[1]) > 0
        stored = np.bincount(X.indices, minlength=X.shape[1])
        found |= (stored < X.shape[0]) & (low < 0) & (high > 0)
    else:
        found = np.zeros(X.shape[1], dtype=bool)
        for start in range(0, X.shape[0], _SCALE_ROWS):
            part = X[start : start + _SCALE_ROWS]
            found |= ((part > low) & (part < high)).any(axis=0)
            if found.all():
                break
    return tuple(np.flatnonzero(found).tolist())


def _dense(bound):
    return np.asarray(bound.toarray() if sp.issparse(bound) else bound).ravel()


def _canonical(X):
    X = X.copy()
    X.sum_duplicates()
    return X


def warn_of_scales(X):
    """One warning where columns differ so much in scale that training suffers."""
    # A sample will do, and does not cost a pass over a large table.
    sample = X[:: max(1, X.shape[0] // _SCALE_ROWS)]
    if sp.issparse(sample):
        spread = np.asarray(abs(sample).max(axis=0).todense()).ravel()
    else:
        spread = _spread(sample)
    spread = spread[spread > 0]
    if len(spread) and spread.max() > _SCALE_RATIO * spread.min():
        warn(
            f"The scales of the features differ by a factor of {spread.max() / spread.min():.0e}; "
            "nets train badly on such data. Put sklearn.preprocessing.StandardScaler in front of "
            "this estimator.",
            UserWarning,
        )


def _spread(sample):
    """Standard deviation of each column of an array, in float64."""
    # numpy takes the mean off in a copy: some columns at a time, or it is a copy of the table.
    width = max(1, _SCALE_ENTRIES // sample.shape[0])
    blocks = (sample[:, start : start + width] for start in range(0, sample.shape[1], width))
    with np.errstate(over="ignore"):
        return np.concatenate([block.std(axis=0, dtype=np.float64) for block in blocks])


def warn(message, category):
    """Warn in the name of the code that called into this package."""
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in ("skreg", "sklearn"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
