"""Weights of rows and classes: one check and one set of messages for nets, ensembles and linear models."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
from sklearn.utils.validation import _check_sample_weight, _num_samples

from skreg.estimators.tables import as_numpy

#: The largest of some weights is brought to 1 where it is less than this, or more than one over it.
_SMALL = 1e-100


def check_sample_weight(sample_weight, X):
    """Weights of the rows of X as float64; None stays None.

    Raises
    ------
    ValueError
        For weights that are negative, missing or infinite, or all zero.
    """
    if sample_weight is None:
        return None
    weight = _usable(as_numpy(sample_weight))
    if weight.ndim == 2 and weight.shape[1] == 1:  # a DataFrame of one column
        weight = weight[:, 0]
    n = _num_samples(X)
    if weight.shape not in ((), (n,)):
        raise ValueError(
            f"sample_weight has the shape {weight.shape}, but X has {n} rows. Pass one number for each row."
        )
    weight = _check_sample_weight(weight[()], X, dtype=np.float64, ensure_non_negative=False)
    if (weight < 0).any():
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: the least is {weight.min():g}, "
            "allowed are finite numbers >= 0. A weight of 0 leaves a row out."
        )
    return _in_range(weight)


def _in_range(weight):
    """Weights whose products and sums are numbers: only ratios matter."""
    top = weight.max(initial=0.0)
    return weight if not top or _SMALL <= top <= 1 / _SMALL else weight / top


def _usable(sample_weight):
    """Weights as float64, unless numbers are missing or infinite, or all are zero."""
    try:
        if np.asarray(sample_weight).dtype.kind in "cmM":  # which numpy would take for numbers
            raise TypeError
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "sample_weight holds values that are not numbers. Allowed are finite numbers >= 0, one for "
            "each row."
        ) from None
    bad = ~np.isfinite(weight)
    if bad.any():
        first = int(np.flatnonzero(bad.ravel())[0])
        raise ValueError(
            f"sample_weight has {np.count_nonzero(bad)} entries that are NaN or infinity, the "
            f"first in row {first}: {weight.ravel()[first]}. Allowed are finite numbers >= 0. A "
            "weight of 0 leaves a row out."
        )
    if weight.size and not weight.any():
        raise ValueError(
            "sample_weight is zero for every row: no rows are left. Give at least one row a "
            "positive weight."
        )
    return weight


def check_some_weight(weight):
    """Refuse weights that leave no row, in the end."""
    if not weight.any():
        raise ValueError(
            "sample_weight, times class_weight if any, is zero for every row: no rows are left. "
            "Give at least one row a positive weight."
        )


def drop_unweighted(X, y, weight):
    """The rows whose weight is not zero."""
    if weight is None:
        return X, y, None
    kept = weight > 0
    check_some_weight(kept)
    return (X, y, weight) if kept.all() else (X[kept], y[kept], weight[kept])


def weigh(X, y, weight, factors):
    """Rows with weights times the factor of their class; rows of weight zero are gone."""
    if factors is None:
        return X, y, weight
    return drop_unweighted(X, y, factors[y] if weight is None else factors[y] * weight)


def normalised(weight):
    """Weights with mean 1, or None where all are equal."""
    if weight is None or np.all(weight == weight[0]):
        return None
    return weight / weight.mean()


def class_factors(class_weight, classes, codes, weight=None):
    """The weight of each class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int, shape (n,)
        Number of the class of each row.
    weight : ndarray of shape (n,), optional
        Weights of the rows, which "balanced" counts rows by.

    Returns
    -------
    ndarray of shape (n_classes,), or None where all classes count the same

    Raises
    ------
    ValueError
        For weights that are no finite numbers >= 0, and for labels that are no classes.
    """
    if class_weight is None:
        return None
    if class_weight == "balanced":
        mass = np.bincount(codes, weights=weight, minlength=len(classes))
        present = mass > 0
        factors = np.zeros(len(classes))
        factors[present] = mass.sum() / (present.sum() * mass[present])
        return factors
    labels = classes.tolist()
    for label, value in class_weight.items():
        number = isinstance(value, Real | np.bool_)
        if not number or not _is_finite(value) or value < 0:
            raise ValueError(
                f"class_weight={class_weight!r:.200} has the weight {value!r:.40} for the class {label!r}. "
                "Allowed are finite numbers >= 0. A weight of 0 leaves the rows of a class out."
            )
    missing = [label for label in labels if label not in class_weight]
    unknown = [label for label in class_weight if label not in labels]
    # As in scikit-learn: a class without a weight has the weight 1, and a label that is not in y may
    # be a rare class that is not in this part of the rows. Both at once are a slip of the pen.
    if missing and unknown:
        raise ValueError(
            f"class_weight={class_weight!r} has a weight for {unknown!r}, which is not among the "
            f"classes {labels!r}, and none for {missing!r}. Name classes as they are in y."
        )
    return _in_range(np.array([float(class_weight.get(label, 1.0)) for label in labels]))


def _is_finite(number):
    """Whether a number is finite as a float; a Fraction or a large int may be none."""
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False
