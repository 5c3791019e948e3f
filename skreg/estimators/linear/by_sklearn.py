"""The linear objective, handed over to the scikit-learn estimator that minimises it.

Row weights have mean 1 here, so that a sum over n rows is n times the mean.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import sklearn
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])

# Up to here a Hessian costs less than the hundreds of first-order passes it saves.
NEWTON_WEIGHTS = 1000


class Solution(NamedTuple):
    """What a solver hands back."""

    coef: np.ndarray  # (k, d)
    intercept: np.ndarray  # (k,)
    n_iter: int
    converged: bool = True


def logistic(X, codes, weight, *, l2, solver, fit_intercept, max_iter, tol):
    """Log loss by LogisticRegression, whose C multiplies the sum of the losses."""
    model = LogisticRegression(
        C=1 / (l2 * len(weight)) if l2 > 0 else np.inf,
        solver=solver,
        fit_intercept=fit_intercept,
        max_iter=max_iter,
        tol=tol,
    )
    # The intercepts make up for what is taken off the columns, so J stays what it was; the solvers
    # find the intercepts much sooner.
    centre = np.zeros(X.shape[1])
    if fit_intercept and not sparse.issparse(X):
        centre = np.average(X, axis=0, weights=weight)
        X = X - centre
    coef, intercept, n_iter, _ = _solution(model.fit(X, codes, sample_weight=weight))
    return Solution(coef, intercept - coef @ centre, n_iter, n_iter < max_iter)


def least_squares(X, Y, weight, *, l2, fit_intercept, max_iter, tol):
    """Squared error by Ridge, which sums over rows, or LinearRegression; Y is (n, n_targets)."""
    if l2 > 0:
        model = Ridge(l2 * len(weight), fit_intercept=fit_intercept, max_iter=max_iter, tol=tol)
    else:
        model = LinearRegression(fit_intercept=fit_intercept)
        if VERSION >= (1, 7):
            # For dense X it is the share of the largest singular value below which directions are
            # dropped, and the default of 1e-6 drops columns of small scale.
            exact = np.finfo(np.float64).eps * max(X.shape)
            model.set_params(tol=tol if sparse.issparse(X) else exact)
    return _solution(model.fit(X, Y, sample_weight=weight))


def elastic_net(X, y, weight, *, l1, l2, **parameters):
    """Squared error by ElasticNet, which takes the mean over rows as we do; y is (n,)."""
    model = ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), **parameters)
    return _solution(model.fit(X, y, sample_weight=weight))


def poisson(X, y, weight, *, l2, **parameters):
    """Half the Poisson deviance by PoissonRegressor, which takes the mean over rows; y is (n,)."""
    # Without a penalty a Hessian may be singular.
    newton = l2 > 0 and X.shape[1] <= NEWTON_WEIGHTS
    solver = "newton-cholesky" if newton else "lbfgs"
    model = PoissonRegressor(alpha=l2, solver=solver, **parameters)
    return _solution(model.fit(X, y, sample_weight=weight))


def quantile(X, y, weight, *, quantile, l1, fit_intercept):
    """Pinball loss by QuantileRegressor (a linear program), which takes the mean; y is (n,)."""
    model = QuantileRegressor(quantile=quantile, alpha=l1, fit_intercept=fit_intercept)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Linear programming for QuantileRegressor")
        try:
            model.fit(X, y, sample_weight=weight)
        except ConvergenceWarning as error:
            raise ValueError(
                "The linear program of this loss has no solution in floating point. Leave out or clip "
                "values of y that are far too large beside the others."
            ) from error
    return _solution(model)


def _solution(model):
    coef = np.atleast_2d(model.coef_)
    intercept = np.broadcast_to(model.intercept_, len(coef)).astype(np.float64)
    # Closed forms have no iterations, or None of them.
    n_iter = getattr(model, "n_iter_", None)
    return Solution(coef, intercept, 1 if n_iter is None else int(np.max(n_iter)))
