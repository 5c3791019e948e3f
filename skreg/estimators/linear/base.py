"""What the two linear estimators share: weights of rows and classes, fitted attributes."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted

from skreg.estimators.columns import prepare, read, read_to_predict, within_precision
from skreg.estimators.columns.preparation import Settings, learn
from skreg.estimators.columns.scales import SCALES
from skreg.estimators.target_numbers import centre_and_scale
from skreg.estimators.weights import check_sample_weight, check_some_weight, class_factors

if TYPE_CHECKING:
    from skreg import typing as types


#: Numbers whose squares can be added up.
_LARGEST = 1e150


def row_weights(sample_weight, X):
    """Weights with mean 1, so that scikit-learn's sums over rows are n times our means."""
    weight = check_sample_weight(sample_weight, X)
    return np.ones(X.shape[0]) if weight is None else weight * (len(weight) / weight.sum())


def prepared(model, X, y, categorical, scale, sample_weight=None, **options):
    """The table that a linear model is fitted on, targets and weights.

    Parameters
    ----------
    model : estimator
        Learns what is done to the columns.
    X, y, sample_weight : array-likes
    categorical : "from_dtype", array-like or None
    scale : str or None
    **options
        Of `skreg.estimators.columns.read`.

    Returns
    -------
    X : ndarray or CSR matrix, float64
    y : ndarray
    weight : ndarray
        As `row_weights` gives them.
    """
    numbers, y = read(model, X, y, categorical, reset=True, **options)
    weight = row_weights(sample_weight, numbers)
    settings, kept = Settings(scale, "onehot", "float64"), weight > 0
    if kept.all():
        model._columns, table = prepare(numbers, weight, model._levels, settings, in_rounds=False)
    else:
        model._columns = learn(numbers[kept], weight[kept], model._levels, settings)
        table = model._columns(numbers)
    names = getattr(model, "feature_names_in_", None)
    return within_precision(table, numbers, model._columns, names, _LARGEST), y, weight


def encode_classes(y):
    """The distinct labels, sorted, and the number of each row's label among them."""
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class only, {classes[:1].tolist()[0]!r}; a classifier needs rows of two or more. "
            "Check how the rows were split or selected."
        )
    return classes, codes


def times_class_weight(weight, class_weight, codes, classes):
    """Row weights times the weight of their class, with mean 1 again."""
    factors = class_factors(class_weight, classes, codes, weight)
    if factors is None:
        return weight
    weight = weight * factors[codes]
    check_some_weight(weight)
    return weight * (len(weight) / weight.sum())


def standardisation(y, weight, fit_intercept, loss="squared_error"):
    """What is subtracted from each target and what it is divided by, each of shape (n_targets,)."""
    centre, scale = centre_and_scale(y, weight, loss)
    # Without an intercept there is nothing that could give what was taken off back.
    return (centre if fit_intercept else np.zeros_like(centre)), scale


class RegularizedLinearModel(BaseEstimator):
    """What the two linear estimators share: constraints, raw outputs and fitted attributes."""

    coef_: types.Array
    sparsity_: float
    n_weights_: int
    n_zero_weights_: int
    n_iter_: int
    n_features_in_: int
    feature_names_in_: types.Array

    _parameter_constraints: ClassVar[dict] = {
        "categorical_features": [StrOptions({"from_dtype"}), "array-like", None],
        "scale_features": [StrOptions(set(SCALES)), None],
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

    @property
    def input_names_(self) -> types.Array:
        """Names of the columns that `coef_` belongs to: ``"age"``, ``"age missing"``, ``"job=clerk"``."""
        check_is_fitted(self)
        return np.array(self._columns.names(getattr(self, "feature_names_in_", None)), dtype=object)

    @property
    def input_features_(self) -> types.Array:
        """The column of X that each column of `coef_` was made of, shape (n_inputs,)."""
        check_is_fitted(self)
        owners = self._columns.owners
        return np.arange(self.n_features_in_) if owners is None else np.array(owners)

    def _set_fitted(self, coef, intercept, n_iter):
        self.coef_, self.intercept_ = coef, intercept
        self.n_iter_ = int(n_iter)
        self.n_weights_ = coef.size
        self.n_zero_weights_ = int(np.sum(coef == 0))
        self.sparsity_ = self.n_zero_weights_ / self.n_weights_

    def _raw(self, X):
        """Linear outputs, shape (n,) or (n, n_outputs) as `coef_` has one dimension or two."""
        check_is_fitted(self)
        X = self._columns(read_to_predict(self, X))
        if not issparse(X):
            # A product rounds by where its factors lie in memory: the same rows give the same digits.
            X = np.ascontiguousarray(X)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
