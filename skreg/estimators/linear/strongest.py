"""l1_max: where a grid of `l1` begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils._param_validation import StrOptions

from skreg.estimators.columns.scales import SCALES
from skreg.estimators.decorators import validate_params
from skreg.estimators.linear.base import (
    encode_classes,
    prepared,
    standardisation,
    times_class_weight,
)
from skreg.estimators.linear.null_model import class_intercepts, class_residuals, largest_gradient
from skreg.estimators.refusing import plain_targets
from skreg.estimators.tables import as_numpy
from skreg.estimators.target import check_numbers

if TYPE_CHECKING:
    from skreg import typing as types

# Integers with at most this many distinct values are taken for class labels.
_MAX_CLASSES_OF_NUMBERS = 20


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like"],
        "sample_weight": ["array-like", None],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "fit_intercept": ["boolean"],
        "scale_target": ["boolean"],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "scale_features": [StrOptions(set(SCALES)), None],
    },
    prefer_skip_nested_validation=True,
)
def l1_max(
    X: types.Table,
    y: types.Target,
    *,
    sample_weight: types.RowWeights | None = None,
    class_weight: types.ClassWeight = None,
    fit_intercept: bool = True,
    scale_target: bool = True,
    task: types.Task = "auto",
    categorical_features: types.Columns = "from_dtype",
    scale_features: types.Scale = None,
) -> float:
    """Smallest `l1` that makes every weight of a linear model zero (glmnet's lambda_max).

    It is the largest entry of the gradient of the loss at zero weights and the best intercepts. A
    grid of `l1` consists of fractions of it, such as ``l1_max(X, y) * np.geomspace(1, 1e-3, 10)``. It
    depends neither on `l2` nor on the sum of the sample weights.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n, n_features)
    y : array-like of shape (n,) or (n, n_targets)
        Class labels or numbers. With several targets it is the largest over them.
    sample_weight : array-like of shape (n,), default=None
    class_weight : dict, "balanced" or None, default=None
        As in :class:`RegularizedLinearClassifier`; for classes only.
    fit_intercept : bool, default=True
    scale_target : bool, default=True
        As in :class:`RegularizedLinearRegressor` with ``loss="squared_error"``; for numbers only.
    task : {"auto", "classification", "regression"}, default="auto"
        Whether y holds classes. "auto" takes labels that are not numbers, two distinct numbers, and
        up to 20 distinct integers for classes.
    categorical_features, scale_features
        As in the linear models: what is done to the columns of X.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If X, y or the weights are not valid, y holds one class only, or `class_weight` is given for
        numbers.

    See Also
    --------
    RegularizedLinearClassifier : The linear model for classes.
    RegularizedLinearRegressor : The linear model for numbers.

    References
    ----------
    Friedman, J., Hastie, T. and Tibshirani, R. (2010). "Regularization paths for generalized linear
    models via coordinate descent." Journal of Statistical Software 33(1), section 2.5.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedLinearRegressor, l1_max
    >>> X, y = load_diabetes(return_X_y=True)
    >>> strongest = l1_max(X, y)
    >>> RegularizedLinearRegressor(l1=1.001 * strongest).fit(X, y).sparsity_
    1.0
    >>> RegularizedLinearRegressor(l1=0.99 * strongest).fit(X, y).sparsity_
    0.9
    """
    y = plain_targets(as_numpy(y), numbers=None if task == "auto" else task == "regression")
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    table = categorical_features, scale_features
    X, _, weight = prepared(_Table(), X, "no_validation", *table, sample_weight)
    check_consistent_length(X, y)
    if task == "auto":
        task = "classification" if holds_classes(y) else "regression"
    if task == "classification":
        classes, codes = encode_classes(column_or_1d(y))
        weight = times_class_weight(weight, class_weight, codes, classes)
        start = class_intercepts(codes, len(classes), weight, fit_intercept)
        return largest_gradient(X, class_residuals(start, codes), weight)
    if class_weight is not None:
        raise ValueError(
            f"class_weight={class_weight!r} was given for a target of numbers. Use "
            "class_weight=None, or task='classification'."
        )
    y = check_numbers(y, "squared_error").reshape(len(y), -1)
    mean, scale = standardisation(y, weight, fit_intercept)
    return largest_gradient(X, (mean - y) / (scale if scale_target else 1.0), weight)


class _Table(BaseEstimator):
    """Learns what is done to the columns of X."""


def holds_classes(y):
    if y.dtype.kind not in "iuf":
        return True
    if y.ndim > 1:
        return False
    distinct = len(np.unique(y))
    return distinct <= 2 or (y.dtype.kind != "f" and distinct <= _MAX_CLASSES_OF_NUMBERS)
