"""What the two linear estimators share: weights of rows and classes, fitted attributes."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data


def row_weights(sample_weight, X):
    """Weights with mean 1, so that scikit-learn's sums over rows are n times our means."""
    # Before scikit-learn's own check, whose text has no remedy.
    if sample_weight is not None and not np.any(np.asarray(sample_weight)):
        raise ValueError(
            "sample_weight is zero for every row: no rows are left. Give at least one row a "
            "positive weight."
        )
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if (weight < 0).any():
        raise ValueError(
            f"Negative values in data passed to `sample_weight`: the least is {weight.min():g}, "
            "allowed are numbers >= 0. A weight of 0 leaves a row out."
        )
    return weight * (len(weight) / weight.sum())


def encode_classes(y):
    """The distinct labels, sorted, and the number of each row's label among them."""
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class only, {classes[0]!r}; a classifier needs rows of two or more. Check "
            "how the rows were split or selected."
        )
    return classes, codes


def times_class_weight(weight, class_weight, codes, classes):
    """Row weights times the weight of their class, with mean 1 again."""
    if class_weight is None:
        return weight
    if class_weight == "balanced":
        mass = np.bincount(codes, weights=weight, minlength=len(classes))
        present = mass > 0
        factors = np.zeros(len(classes))
        factors[present] = mass.sum() / (present.sum() * mass[present])
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes)
    weight = weight * factors[codes]
    if (factors < 0).any() or weight.sum() == 0:
        raise ValueError(
            f"class_weight={class_weight!r} leaves negative weights or none at all. Allowed are "
            "numbers >= 0, with at least one class that is in y above 0."
        )
    return weight * (len(weight) / weight.sum())


def standardisation(y, weight, fit_intercept):
    """Mean and standard deviation of each target, shape (n_targets,); one 1 for a constant one."""
    mean = np.average(y, axis=0, weights=weight)
    std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
    constant = std <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    # Without an intercept there is nothing that could give a mean back.
    return (mean if fit_intercept else np.zeros_like(mean)), np.where(constant, 1.0, std)


class RegularizedLinearModel(BaseEstimator):
    """What the two share: constraints, prediction of raw outputs, fitted attributes."""

    _parameter_constraints: ClassVar[dict] = {
        "l1": [Interval(Real, 0, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
    }

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _set_fitted(self, coef, intercept, n_iter):
        self.coef_, self.intercept_ = coef, intercept
        self.n_iter_ = int(n_iter)
        self.n_weights_ = coef.size
        self.n_zero_weights_ = int(np.sum(coef == 0))
        self.sparsity_ = self.n_zero_weights_ / self.n_weights_

    def _raw(self, X):
        """Linear outputs, shape (n,) or (n, n_outputs) as `coef_` has one dimension or two."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
