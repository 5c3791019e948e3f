"""The linear objective, handed over to the scikit-learn estimator that minimises it.

Row weights have mean 1 here, so that a sum over n rows is n times the mean. Each function gives
back weights (k, d) and intercepts (k,).
"""

from __future__ import annotations

import numpy as np
import sklearn
from scipy import sparse
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)

from skreg._linear.prox_newton import Solution

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


def logistic(X, codes, weight, *, l1, l2, solver, **parameters):
    """Log loss by LogisticRegression, whose C multiplies the sum of the losses."""
    strength = l1 + l2
    ratio = l1 / strength if strength > 0 else 0.0
    if VERSION >= (1, 8):
        penalty = {"l1_ratio": ratio}
    else:
        penalty = {"penalty": "elasticnet", "l1_ratio": ratio} if l1 > 0 else {"penalty": "l2"}
    C = 1 / (strength * len(weight)) if strength > 0 else np.inf
    model = LogisticRegression(C=C, solver=solver, **penalty, **parameters)
    return _solution(model.fit(X, codes, sample_weight=weight))


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


def elastic_net(X, y, weight, *, l1, l2, fit_intercept, max_iter, tol):
    """Squared error by ElasticNet, which takes the mean over rows as we do; y is (n,)."""
    strength = l1 + l2
    model = ElasticNet(
        strength,
        l1_ratio=l1 / strength,
        fit_intercept=fit_intercept,
        max_iter=max_iter,
        tol=tol,
    )
    return _solution(model.fit(X, y, sample_weight=weight))


def poisson(X, y, weight, *, l2, fit_intercept, max_iter, tol):
    """Half the Poisson deviance by PoissonRegressor, which takes the mean over rows; y is (n,)."""
    model = PoissonRegressor(alpha=l2, fit_intercept=fit_intercept, max_iter=max_iter, tol=tol)
    return _solution(model.fit(X, y, sample_weight=weight))


def quantile(X, y, weight, *, quantile, l1, fit_intercept):
    """Pinball loss by QuantileRegressor (a linear program), which takes the mean; y is (n,)."""
    model = QuantileRegressor(quantile=quantile, alpha=l1, fit_intercept=fit_intercept)
    return _solution(model.fit(X, y, sample_weight=weight))


def _solution(model):
    coef = np.atleast_2d(model.coef_)
    intercept = np.broadcast_to(model.intercept_, len(coef)).astype(np.float64)
    # Closed forms have no iterations, or None of them.
    n_iter = getattr(model, "n_iter_", None)
    return Solution(coef, intercept, 1 if n_iter is None else int(np.max(n_iter)))
