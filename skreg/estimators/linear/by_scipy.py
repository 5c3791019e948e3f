"""Log loss with L1, minimised by scipy's L-BFGS-B, the optimiser behind scikit-learn's "lbfgs".

W = P - N with P, N >= 0. At the minimum one of the two is zero, so that sum|W| is sum(P + N) and J
is smooth; zeros are exact, for they lie on the bound (Schmidt, Fung and Rosales 2007, "Fast
optimization methods for L1 regularization").

Shapes: n rows, d columns, k outputs (one for two classes).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, minimize
from scipy.special import expit, logsumexp
from sklearn.utils.extmath import safe_sparse_dot

from skreg.estimators.linear.by_sklearn import Solution


def logistic(X, codes, weight, *, l1, l2, start, fit_intercept, max_iter, tol):
    """Minimise J; `start` are the intercepts that are best without weights, (k,)."""
    w = weight / weight.sum()
    shape = (2, len(start), X.shape[1])  # of P and N
    n_parts = int(np.prod(shape))
    seen = codes[:, None] if len(start) == 1 else np.eye(len(start))[codes]  # (n, k)
    # Columns of one scale take far fewer iterations. They are centred, which the intercepts make up
    # for, and divided by their scale, which the penalties make up for.
    centre = np.asarray(w @ X).ravel() * fit_intercept  # (d,)
    shift = centre  # what is still to be taken off: centring itself would fill sparse columns
    if not sparse.issparse(X):
        X, shift = X - centre, np.zeros_like(centre)
    scale = _scales(X, w, centre, shift)
    l1, l2 = l1 / scale, l2 / scale**2  # (d,)

    def objective(point):
        (P, N), b = point[:n_parts].reshape(shape), point[n_parts:]
        W = P - N
        loss, gradient, slope = _log_loss(X, w, seen, W / scale, b - W @ (shift / scale))
        value = loss + np.sum(l1 * (P + N)) + 0.5 * np.sum(l2 * W**2)
        smooth = (gradient - np.outer(slope, shift)) / scale + l2 * W
        slope = slope * fit_intercept
        return value, np.concatenate([(l1 + smooth).ravel(), (l1 - smooth).ravel(), slope])

    result = minimize(
        objective,
        np.concatenate([np.zeros(n_parts), start]),
        method="L-BFGS-B",
        jac=True,
        bounds=Bounds(np.repeat([0.0, -np.inf], [n_parts, len(start)])),
        # Nothing but max_iter, tol and rounding ends it: neither calls nor slow progress (ftol).
        options={
            "maxiter": max_iter,
            "maxfun": 50 * max_iter,
            "maxls": 50,
            "gtol": tol,
            "ftol": 0.0,
        },
    )
    P, N = result.x[:n_parts].reshape(shape)
    coef = (P - N) / scale
    intercept = result.x[n_parts:] - coef @ centre
    return Solution(coef, intercept, result.nit, result.success)


def _log_loss(X, w, seen, W, b):
    """Weighted mean of the log loss and its gradients by W, (k, d), and by b, (k,)."""
    f = safe_sparse_dot(X, W.T, dense_output=True) + b  # (n, k)
    if f.shape[1] == 1:
        norm, probability = np.logaddexp(0.0, f), expit(f)
    else:
        norm = logsumexp(f, axis=1, keepdims=True)
        probability = np.exp(f - norm)
    loss = w @ (norm[:, 0] - np.sum(seen * f, axis=1))
    residual = w[:, None] * (probability - seen)
    gradient = safe_sparse_dot(X.T, residual, dense_output=True).T
    return loss, gradient, residual.sum(axis=0)


def _scales(X, w, centre, shift):
    """Root mean square of each column around `shift`, its mean or 0; 1 for constant ones."""
    square = np.asarray(w @ (X.multiply(X) if sparse.issparse(X) else X**2)).ravel() - shift**2
    scale = np.sqrt(np.maximum(square, 0.0))
    # What rounding leaves of a constant column is no scale; the square of 1e-100 is still a number.
    return np.where(scale > 1e-7 * np.abs(centre) + 1e-100, scale, 1.0)
