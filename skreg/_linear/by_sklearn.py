"""The linear objective, handed over to the scikit-learn estimator that minimises it.

Row weights have mean 1 here, so that a sum over n rows is n times the mean.
"""

from __future__ import annotations

from typing import NamedTuple

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

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])

# Up to here a Hessian costs less than the hundreds of first-order passes it saves.
NEWTON_WEIGHTS = 1000
# liblinear penalises the intercept too: the gradient of the loss with respect to it, which is 0 at
# the minimum of J, is left at this. Less takes liblinear to where rounding ends its line search.
INTERCEPT_SLACK = 1e-7


class Solution(NamedTuple):
    """What a solver hands back."""

    coef: np.ndarray  # (k, d)
    intercept: np.ndarray  # (k,)
    n_iter: int


def logistic(X, codes, weight, *, l1, l2, solver, start, fit_intercept, **parameters):
    """Log loss by LogisticRegression, whose C multiplies the sum of the losses.

    `start` are the intercepts that are best without weights, (1,) or (n_classes,).
    """
    strength = l1 + l2
    model = LogisticRegression(
        C=1 / (strength * len(weight)) if strength > 0 else np.inf,
        solver=solver,
        fit_intercept=fit_intercept,
        **_penalty(l1, strength, solver),
        **parameters,
    )
    # The intercepts make up for what is taken off the columns, so J stays what it was; the solvers
    # find the intercepts much sooner.
    centre = np.zeros(X.shape[1])
    if fit_intercept and not sparse.issparse(X):
        centre = np.average(X, axis=0, weights=weight)
        X = X - centre
    if solver == "liblinear":
        model.set_params(intercept_scaling=max(1.0, l1 / INTERCEPT_SLACK))
    elif solver == "saga":
        # It stops once the weights rest, be the intercepts where they may.
        model.set_params(warm_start=True)
        model.coef_, model.intercept_ = np.zeros((len(start), X.shape[1])), start
    coef, intercept, n_iter = _solution(model.fit(X, codes, sample_weight=weight))
    intercept = intercept - coef @ centre
    if len(intercept) > 1 and fit_intercept:  # a constant on all of a softmax changes nothing
        intercept = intercept - intercept.mean()
    return Solution(coef, intercept, n_iter)


def _penalty(l1, strength, solver):
    """The parameters that turn L1 on, or the balance of L1 and L2."""
    ratio = l1 / strength if strength > 0 else 0.0
    if VERSION >= (1, 8):
        return {"l1_ratio": ratio}
    if solver == "liblinear":
        return {"penalty": "l1"}
    return {"penalty": "elasticnet", "l1_ratio": ratio} if l1 > 0 else {"penalty": "l2"}


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
    return _solution(model.fit(X, y, sample_weight=weight))


def _solution(model):
    coef = np.atleast_2d(model.coef_)
    intercept = np.broadcast_to(model.intercept_, len(coef)).astype(np.float64)
    # Closed forms have no iterations, or None of them.
    n_iter = getattr(model, "n_iter_", None)
    return Solution(coef, intercept, 1 if n_iter is None else int(np.max(n_iter)))
