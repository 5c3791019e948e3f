"""Rows as they come in: what is looked at, and warned of."""

from __future__ import annotations

import inspect
import warnings
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.utils.sparsefuncs import mean_variance_axis

#: Ratio of the largest to the smallest standard deviation of a column that draws a warning.
_SCALE_RATIO = 1e3

#: Distance of a column's mean from zero, in standard deviations, that draws one: from here on the
#: validation loss of a net with numeric embeddings is ten times what it is after scaling.
_OFFSET_RATIO = 300

#: Ratio of standard deviations that validation rows have in half of the columns only if they were not
#: scaled as the training rows were, and rows that tell a standard deviation.
_UNLIKE, _FEW_ROWS = 10.0, 10

#: Share of its mean that the standard deviation of a constant column may have by rounding.
_ROUNDING = 1e-14

#: From here on float32 no longer holds every whole number.
_EXACT_UP_TO = 1 << 24

#: Rows that are looked at for it, and entries of them at a time.
_SCALE_ROWS, _SCALE_ENTRIES = 10_000, 1 << 20

#: Packages whose frames a warning passes over, and what fits of meta-estimators have said.
_WITHIN = ("skreg", "sklearn")
_said = set()


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

    Of a column with two values, such as those of a one-hot encoding, any function is a line.
    """
    low, high = (_dense(bound(axis=0)) for bound in (X.min, X.max))
    if sp.issparse(X):
        # Entries that are not stored are zero, and those stored twice have to be added up first.
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


def warn_of_scales(X, names=None, original=None, columns=None):
    """Warn once where columns differ so much in scale, or lie so far from zero, that training suffers.

    Parameters
    ----------
    X : ndarray or CSR matrix
    names : sequence of str or int, optional
        Of the columns.
    original : array or DataFrame, optional
        The same table before it was brought to the precision of training, which may have made a column
        far from zero constant.
    columns : sequence of int, optional
        Numbers of the columns in that table.
    """
    sample = sampled(X)
    if sp.issparse(sample):
        mean, variance = mean_variance_axis(sp.csr_matrix(sample, dtype=np.float64), axis=0)
        spread = np.sqrt(variance)
    else:
        mean, spread = _mean_and_spread(sample)
    # What rounding leaves of a constant column is no spread.
    spread[spread <= _ROUNDING * np.abs(mean)] = 0.0
    if _warn_of_offsets(mean, _before_rounding(mean, spread, original, columns), names, _remedy(X)):
        return  # the remedy is the same
    if sp.issparse(sample):
        spread = np.asarray(abs(sample).max(axis=0).todense()).ravel()
    spread = spread[spread > 0]
    if len(spread) and spread.max() > _SCALE_RATIO * spread.min():
        warn(
            f"The scales of the features differ by a factor of {spread.max() / spread.min():.0e}; "
            f"nets train badly on such data. {_remedy(X)}",
            UserWarning,
        )


def _remedy(X):
    """What to do about the scales of columns."""
    if sp.issparse(X):
        return (
            "Put sklearn.preprocessing.MaxAbsScaler in front of this estimator, or pass X dense: "
            "scale_features scales the columns of dense tables."
        )
    return "Set scale_features='robust' or 'standard'."


def _warn_of_offsets(mean, spread, names, remedy):
    """Warn of columns far from zero; whether there was one."""
    ratio = np.divide(np.abs(mean), spread, out=np.zeros_like(mean), where=spread > 0)
    far = np.flatnonzero(ratio > _OFFSET_RATIO)
    if not len(far):
        return False
    j = far[np.argmax(ratio[far])]
    others = f", and {len(far) - 1} more columns are far from zero" if len(far) > 1 else ""
    warn(
        f"The values of {_named(names, j)} lie far from zero: their mean is {mean[j]:.6g} and "
        f"their standard deviation {spread[j]:.3g}{others}. Nets train badly on such data. "
        f"{remedy}",
        UserWarning,
    )
    return True


def _before_rounding(mean, spread, original, columns):
    """Standard deviations, those of columns that rounding made constant as they were before it."""
    lost = np.flatnonzero((spread == 0) & (np.abs(mean) > _EXACT_UP_TO))
    frame = hasattr(original, "iloc")
    if not len(lost) or not (frame or isinstance(original, np.ndarray)):
        return spread
    spread = spread.copy()
    for j in lost:
        at = j if columns is None else columns[j]
        column = original.iloc[:, at] if frame else original[:, at]
        spread[j] = sampled(np.asarray(column, dtype=np.float64)).std()
    return spread


def warn_of_unlike_rows(X, X_val, names=None):
    """Warn where validation rows cannot have gone through what the training rows went through."""
    if sp.issparse(X) or sp.issparse(X_val):
        return
    train, valid = sampled(X), sampled(X_val)
    low, high = train.min(axis=0).astype(np.float64), train.max(axis=0).astype(np.float64)
    width = high - low
    (centre, spread), (mean, scatter) = _mean_and_spread(train), _mean_and_spread(valid)
    varies = spread > 0
    beyond = np.maximum(low - mean, mean - high)
    # The mean of rows of the same kind lies between the smallest and the largest value. Time goes on,
    # though: a few columns may grow out of their range, but not by more than its width.
    far = varies & (beyond > width)
    outside = varies & (beyond > 0)
    other = varies & ((scatter > _UNLIKE * spread) | (scatter < spread / _UNLIKE))
    if len(valid) < _FEW_ROWS:
        other[:] = False
    half = max(2, 0.5 * np.count_nonzero(varies))
    if far.any():
        j = int(np.argmax(np.where(far, beyond / np.where(varies, width, 1.0), 0.0)))
    elif np.count_nonzero(outside) > half:
        j = int(np.argmax(outside))
    elif np.count_nonzero(other) > half:
        j = int(np.argmax(other))
    else:
        return
    warn(
        f"X_val does not look like X: {_named(names, j)} has the mean {mean[j]:.3g} and the "
        f"standard deviation {scatter[j]:.3g} in X_val, but {centre[j]:.3g} and {spread[j]:.3g} in "
        "X. If X was scaled or encoded, the validation rows must be as well. A Pipeline hands "
        "X_val on as it is, unless it is told to transform it: "
        "Pipeline(steps, transform_input=['X_val']) with "
        "sklearn.set_config(enable_metadata_routing=True) and "
        "set_fit_request(X_val=True, y_val=True) on this estimator.",
        UserWarning,
    )


def warn_of_unlike_targets(y, y_val):
    """Warn where most targets of validation rows lie further out than those of training are from each other.

    As where the targets of training were transformed around the estimator, and these were not.

    Parameters
    ----------
    y, y_val : ndarray of shape (n, n_targets)
    """
    width, centre = np.ptp(y, axis=0), np.median(y, axis=0)
    away = np.median(np.abs(y_val - centre), axis=0)
    far = np.flatnonzero((width > 0) & (away > width))
    if not len(far):
        return
    j = far[0]
    warn(
        f"y_val does not look like y: its median is {np.median(y_val[:, j]):.3g}, and y goes from "
        f"{y[:, j].min():.3g} to {y[:, j].max():.3g}. If y was transformed, as TransformedTargetRegressor "
        "does, the targets of the validation rows must be as well: transform y_val by the same transformer, "
        "or leave X_val and y_val out, so that rows of X are held out.",
        UserWarning,
    )


def sampled(X):
    """At most some rows of a table: a sample will do, and does not cost a pass over a large one."""
    return X[:: max(1, X.shape[0] // _SCALE_ROWS)]


def _named(names, j):
    name = j if names is None else names[j]
    return f"column {name}" if isinstance(name, Integral) else f"column {str(name)!r}"


def _mean_and_spread(sample):
    """Mean and standard deviation of each column of an array, in float64."""
    # numpy takes the mean off in a copy: some columns at a time, or it is a copy of the table.
    width = max(1, _SCALE_ENTRIES // sample.shape[0])
    mean, spread = np.empty((2, sample.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, sample.shape[1], width):
            block = sample[:, start : start + width]
            mean[start : start + width] = block.mean(axis=0, dtype=np.float64)
            spread[start : start + width] = block.std(axis=0, dtype=np.float64)
    return mean, spread


def warn(message, category, *, once_in_searches=False):
    """Warn in the name of the code that called into this package.

    Parameters
    ----------
    message : str
    category : type
    once_in_searches : bool
        Whether fits that a meta-estimator runs are to say it once in a process. Python's own filter
        cannot see to that, as scikit-learn sets the filters anew for each of them.
    """
    frame, level, searching = inspect.currentframe(), 0, False
    while frame and (name := frame.f_globals.get("__name__", "")).split(".")[0] in _WITHIN:
        searching |= name == "sklearn.utils.parallel"
        frame, level = frame.f_back, level + 1
    if once_in_searches and searching:
        if message in _said:
            return
        warnings.warn(message, category, stacklevel=level + 1)
        _said.add(message)  # not where it was raised as an error
    else:
        warnings.warn(message, category, stacklevel=level + 1)
