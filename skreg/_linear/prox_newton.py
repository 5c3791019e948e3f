"""Proximal Newton for linear models with an L1 penalty: Newton's method around coordinate descent.

    min over W, b of  sum_i w_i loss(y_i, W x_i + b) + l1 sum|W| + l2/2 sum W^2,   sum(w) = 1

scikit-learn solves this for the log loss with `saga` (first order: thousands of passes for six
digits) or with `liblinear` (two classes, and it penalises the intercept). Here each step replaces
the loss by its quadratic model and minimises model plus penalty, as in Friedman, Hastie and
Tibshirani (2010) but with the classes coupled: scikit-learn's coordinate descent finds the support,
an active-set method makes the minimum exact. The penalty comes down from a strong one, and only
weights that violate their optimality condition enter the Hessian, so that it stays small.

Shapes: n rows, d columns, k outputs, p weights in the working set; W is (k, d), b is (k,), the
outputs f are (n, k).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse, special
from sklearn.linear_model import Lasso
from sklearn.utils import gen_batches
from sklearn.utils.extmath import safe_sparse_dot

# A Hessian of 4000 x 4000 is 128 MB; beyond it a first-order method is the better bargain.
MAX_WORKING_SET = 4000
MIN_WORKING_SET = 200
# The penalty falls at most by this factor a step.
PATH_STEP = 0.25
ACTIVE_SET_STEPS = 200
# Numbers a block of rows holds while the Hessian is summed: 32 MB.
BLOCK_ENTRIES = 4_000_000
# Shares of empty classes: their intercepts would run off to minus infinity.
SMALLEST_SHARE = 1e-10


class WorkingSetTooLarge(Exception):
    """The solution uses more weights than a Hessian is worth."""


@dataclass
class Solution:
    """What a solver hands back.

    `violation` is the largest one of an optimality condition, each divided by the root mean square
    of its column; 0 where a solver does not say.
    """

    coef: np.ndarray  # (k, d)
    intercept: np.ndarray  # (k,)
    n_iter: int
    violation: float = 0.0


class Squared:
    """(y - f)^2 / 2."""

    n_outputs = 1

    def __init__(self, y):
        self.y = y[:, None]  # (n, 1)

    def value(self, f):
        return 0.5 * np.square(f - self.y)[:, 0]

    def gradient(self, f):
        return f - self.y

    def curvature(self, f):
        """Second derivatives: own (n, k), and p (n, k) of the cross terms -p_a p_b, or None."""
        return np.ones_like(f), None

    def null_intercept(self, w):
        return w @ self.y


class Poisson(Squared):
    """Half the Poisson deviance up to a constant in y, on the log of the mean: exp(f) - y f."""

    def value(self, f):
        return (np.exp(f) - self.y * f)[:, 0]

    def gradient(self, f):
        return np.exp(f) - self.y

    def curvature(self, f):
        return np.exp(f), None

    def null_intercept(self, w):
        return np.log(np.maximum(w @ self.y, SMALLEST_SHARE))


class Logistic(Squared):
    """Log loss of two classes on one logit: log(1 + exp(f)) - y f, with y in {0, 1}."""

    def value(self, f):
        return (np.logaddexp(0.0, f) - self.y * f)[:, 0]

    def gradient(self, f):
        return special.expit(f) - self.y

    def curvature(self, f):
        return special.expit(f) * special.expit(-f), None

    def null_intercept(self, w):
        return special.logit(np.clip(w @ self.y, SMALLEST_SHARE, 1 - SMALLEST_SHARE))


class Softmax:
    """Log loss of k classes on k logits; `y` holds class numbers."""

    def __init__(self, y, n_classes):
        self.n_outputs = n_classes
        self.onehot = np.eye(n_classes)[y]  # (n, k)

    def value(self, f):
        return special.logsumexp(f, axis=1) - np.einsum("ik,ik->i", self.onehot, f)

    def gradient(self, f):
        return special.softmax(f, axis=1) - self.onehot

    def curvature(self, f):
        p = special.softmax(f, axis=1)
        # Where p is close to 1, 1 - p has no digits left; the sum of the others has all of them.
        others = p @ (1.0 - np.eye(self.n_outputs))
        return p * others, p

    def null_intercept(self, w):
        log_share = np.log(np.maximum(w @ self.onehot, SMALLEST_SHARE))
        return log_share - log_share.mean()


def violations(gradient, coef, l1):
    """Distance of minus the gradient from the subdifferential of l1 sum|coef|, one number a weight.

    Parameters
    ----------
    gradient : ndarray of shape (k, d)
        Gradient of the smooth part: loss and L2 penalty.
    coef : ndarray of shape (k, d)
    l1 : float

    Returns
    -------
    ndarray of shape (k, d)
        \\|g + l1 sign(c)\\| where c is not zero, max(\\|g\\| - l1, 0) where it is.
    """
    at_zero = np.maximum(np.abs(gradient) - l1, 0.0)
    return np.where(coef == 0, at_zero, np.abs(gradient + l1 * np.sign(coef)))


class Problem:
    """The objective of the module's docstring: its value, gradient and Hessian.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    loss : Squared, Poisson, Logistic or Softmax
    weight : ndarray of shape (n,)
        Row weights, divided by their sum here.
    l1, l2 : float, default=0.0
    fit_intercept : bool, default=True
    """

    def __init__(self, X, loss, weight, *, l1=0.0, l2=0.0, fit_intercept=True):
        self.X, self.loss, self.w = X, loss, weight / weight.sum()
        self.l1, self.l2, self.fit_intercept = l1, l2, fit_intercept
        if sparse.issparse(X):
            square = np.asarray(self.w @ X.multiply(X)).ravel()
        else:
            square = np.einsum("i,ij,ij->j", self.w, X, X)
        rms = np.sqrt(square)
        self.unit = np.where(rms > 0, rms, 1.0)  # (d,)
        # Newton steps are taken on centred columns: large means would cost the Hessian its digits.
        mean = np.asarray(self.w @ X).ravel()
        self.centre = mean if fit_intercept else np.zeros_like(mean)  # (d,)

    def start(self):
        """Weights of zero, and the intercepts that are best for them."""
        k = self.loss.n_outputs
        b = self.loss.null_intercept(self.w) if self.fit_intercept else np.zeros(k)
        return np.zeros((k, self.X.shape[1])), b

    def forward(self, W, b):
        return safe_sparse_dot(self.X, W.T, dense_output=True) + b

    def value(self, f, W, l1):
        with np.errstate(over="ignore"):
            smooth = self.w @ self.loss.value(f)
        return smooth + l1 * np.abs(W).sum() + 0.5 * self.l2 * np.square(W).sum()

    def gradient(self, f, W):
        """Of loss and L2 penalty: (k, d) for the weights, (k,) for the intercepts."""
        r = self.w[:, None] * self.loss.gradient(f)
        by_weight = safe_sparse_dot(self.X.T, r, dense_output=True).T + self.l2 * W
        return by_weight, r.sum(axis=0) * self.fit_intercept

    def violation(self, f, W):
        """The largest violation of an optimality condition, in units of its column."""
        by_weight, by_intercept = self.gradient(f, W)
        each = violations(by_weight, W, self.l1) / self.unit
        return max(each.max(initial=0.0), np.abs(by_intercept).max())

    def hessian(self, f, outputs, columns):
        """Second derivatives of the loss, shape (p + k, p + k).

        Over the weights (outputs[a], columns[a]) of the centred columns, then the k intercepts.
        """
        own, cross = self.loss.curvature(f)
        k = self.loss.n_outputs
        used, where = np.unique(columns, return_inverse=True)
        output = np.concatenate([outputs, np.arange(k)])
        position = np.concatenate([where, np.full(k, len(used))])
        groups = [np.flatnonzero(output == c) for c in range(k)]
        H = np.zeros((len(output), len(output)))
        X = self.X[:, used]
        for rows in gen_batches(X.shape[0], max(1, BLOCK_ENTRIES // len(output))):
            A = X[rows].toarray() if sparse.issparse(X) else X[rows]
            A = np.column_stack([A - self.centre[used], np.ones(len(A))])  # ones: the intercepts
            w = self.w[rows]
            block = np.zeros_like(H)
            if cross is not None:
                Z = A[:, position] * (np.sqrt(w)[:, None] * cross[rows])[:, output]
                block -= Z.T @ Z
            for c, members in enumerate(groups):
                # Weights come by output and column, so a full group is A as it is.
                B = A if len(members) == A.shape[1] else A[:, position[members]]
                block[np.ix_(members, members)] = (B.T * (w * own[rows, c])) @ B
            H += block
        return H


def prox_newton(problem, *, tol, max_iter):
    """Minimise a :class:`Problem`.

    Parameters
    ----------
    problem : Problem
    tol : float
        Largest violation of an optimality condition to stop at.
    max_iter : int
        Newton steps at most.

    Returns
    -------
    Solution
        Its `violation` is above `tol` where `max_iter` or rounding ended the iterations.

    Raises
    ------
    WorkingSetTooLarge
        Where more than MAX_WORKING_SET weights are in use.

    References
    ----------
    Lee, Sun and Saunders (2014), "Proximal Newton-type methods for minimizing composite functions",
    SIAM Journal on Optimization 24(3). Friedman, Hastie and Tibshirani (2010), "Regularization
    paths for generalized linear models via coordinate descent", Journal of Statistical Software
    33(1). Massias, Gramfort and Salmon (2018), "Celer: a fast solver for the Lasso with dual
    extrapolation", ICML (working sets).
    """
    W, b = problem.start()
    f = problem.forward(W, b)
    worst = problem.violation(f, W)
    n_iter, l1 = 0, np.inf
    while worst > tol and n_iter < max_iter:
        n_iter += 1
        by_weight = problem.gradient(f, W)[0]
        # Down from a strong penalty: supports stay small on the way, as on a regularization path.
        furthest = violations(by_weight, W, problem.l1).max(initial=0.0)
        l1 = max(problem.l1, min(l1, PATH_STEP * furthest)) if problem.l1 else 0.0
        outputs, columns = _working_set(violations(by_weight, W, l1) / problem.unit, W, l1)
        if len(outputs) > MAX_WORKING_SET:
            raise WorkingSetTooLarge
        direction = _newton_direction(problem, f, W, l1, outputs, columns)
        moved = _line_search(problem, f, W, b, l1, *direction)
        if moved is not None:
            f, W, b = moved
            worst = problem.violation(f, W)
        elif l1 == problem.l1:  # no decrease is left that rounding would show
            break
    if isinstance(problem.loss, Softmax):
        W, b = _fix_constants(W, b, problem)
    return Solution(W, b, n_iter, worst)


def _working_set(each, W, l1):
    """Weights in use and the worst violators, about as many again: (outputs, columns)."""
    priority = np.where(W != 0, np.inf, each).ravel()
    candidates = np.arange(W.size) if l1 == 0 else np.flatnonzero(priority > 0)
    size = max(MIN_WORKING_SET, 2 * np.count_nonzero(W))
    if l1 > 0 and len(candidates) > size:
        best = np.argpartition(-priority[candidates], size - 1)[:size]
        candidates = np.sort(candidates[best])
    return np.unravel_index(candidates, W.shape)


def _newton_direction(problem, f, W, l1, outputs, columns):
    """Step to the minimum of model plus penalty: (dW, db, new weights, where they are)."""
    k, p = len(W), len(outputs)
    H = problem.hessian(f, outputs, columns)
    by_weight, by_intercept = problem.gradient(f, W)
    g = by_weight[outputs, columns] - by_intercept[outputs] * problem.centre[columns]
    S = H[:p, :p] + problem.l2 * np.eye(p)
    scale = S.diagonal()
    if problem.fit_intercept:  # the intercepts that are best for each step are put in
        Hbb = H[p:, p:] + (1e-12 * np.trace(H[p:, p:]) + np.finfo(float).tiny) * np.eye(k)
        if k > 1:  # the same constant on all logits changes nothing: hold it still
            Hbb += np.trace(Hbb) / k
        factor = linalg.cho_factor(Hbb)
        gain = linalg.cho_solve(factor, np.column_stack([H[p:, :p], by_intercept]))
        S = S - H[:p, p:] @ gain[:, :p]
        g = g - H[:p, p:] @ gain[:, p]
    old = W[outputs, columns]
    S = 0.5 * (S + S.T)
    if l1 == 0:
        new = old - _least_norm_solution(S, g, problem.unit[columns])
    else:
        new = _minimise_model(S, g, old, scale, l1)
    dW = np.zeros_like(W)
    dW[outputs, columns] = new - old
    db = np.zeros(k)
    if problem.fit_intercept:
        db = -gain[:, p] - gain[:, :p] @ (new - old) - dW @ problem.centre
    return dW, db, new, (outputs, columns)


def _line_search(problem, f, W, b, l1, dW, db, new, where):
    """Halve the step until the objective falls enough (Armijo): the new (f, W, b), or None."""
    by_weight, by_intercept = problem.gradient(f, W)
    df = problem.forward(dW, db)
    before = problem.value(f, W, l1)
    change = np.abs(W + dW).sum() - np.abs(W).sum()
    slope = np.sum(by_weight * dW) + by_intercept @ db + l1 * change
    for t in 0.5 ** np.arange(40):
        W_t = W + t * dW
        if t == 1.0:
            W_t[where] = new  # W + (new - W) would leave crumbs in place of zeros
        after = problem.value(f + t * df, W_t, l1)
        if after <= before + 1e-4 * t * slope + np.finfo(float).eps * abs(before):
            return problem.forward(W_t, b + t * db), W_t, b + t * db
    return None


def _least_norm_solution(S, g, unit):
    """Solve S x = g; where S is singular, by the x of least norm, columns in their own `unit`.

    Repeated rows and weights then lead to the same weights, whatever the columns.
    """
    values, vectors = linalg.eigh(S / np.outer(unit, unit))
    kept = values > values.max() * len(g) * 10 * np.finfo(float).eps
    part = vectors[:, kept].T @ (g / unit) / values[kept]
    return vectors[:, kept] @ part / unit


def _minimise_model(S, g, old, scale, l1):
    """Minimise g'(v - old) + (v - old)'S(v - old)/2 + l1 sum|v|.

    S may be singular (duplicate columns, softmax). A proximal term of 1e-12 of the curvature, or of
    as much as it takes, makes it definite and leaves the fixed point of the iteration where it is.
    """
    floor = np.maximum(scale, scale.max() * 1e-12 + np.finfo(float).tiny)
    for damping in 10.0 ** np.arange(-12, 4, 2):
        damped = S + np.diag(damping * floor)
        try:
            factor = linalg.cholesky(damped, lower=True)
            break
        except linalg.LinAlgError:
            continue
    q = damped @ old - g
    return _active_set(damped, q, l1, _coordinate_descent(damped, factor, q, l1, old))


def _coordinate_descent(S, factor, q, l1, start):
    """Minimise v'Sv/2 - q'v + l1 sum|v| roughly, as a Lasso whose Gram matrix is S."""
    root = np.sqrt(len(q))
    X = np.asfortranarray(factor.T) * root
    y = linalg.solve_triangular(factor, q, lower=True) * root
    # Loose enough never to run out of passes, which would warn.
    lasso = Lasso(
        alpha=l1,
        fit_intercept=False,
        precompute=S * len(q),
        tol=1e-3,
        max_iter=100_000,
        warm_start=True,
    )
    lasso.coef_ = start.copy()
    return lasso.fit(X, y, check_input=False).coef_


def _active_set(S, q, l1, v):
    """Minimise v'Sv/2 - q'v + l1 sum|v| exactly, from a good guess `v`; S is positive definite.

    Feature-sign search (Lee, Battle, Raina and Ng 2007, "Efficient sparse coding algorithms"):
    solve on the support with its signs held, stop on the way where a sign change pays, then let in
    the worst violator. Each step descends, so the guess is never made worse.
    """
    v = v.copy()
    sign = np.sign(v)
    for _ in range(ACTIVE_SET_STEPS):
        on = np.flatnonzero(sign)
        try:
            factor = linalg.cho_factor(S[np.ix_(on, on)], check_finite=False)
        except linalg.LinAlgError:  # no digits left: what was found stands
            break
        target = linalg.cho_solve(factor, q[on] - l1 * sign[on], check_finite=False)
        signs_stay = np.all(target * sign[on] > 0)
        v[on] = target if signs_stay else _best_on_segment(S, q, l1, v, on, target)
        sign = np.sign(v)
        if not signs_stay:
            continue
        slack = q - S @ v
        slack[on] = 0.0
        if np.all(np.abs(slack) <= l1 * (1 + 1e-10)):
            break
        worst = np.argmax(np.abs(slack))
        sign[worst] = np.sign(slack[worst])
    return v


def _best_on_segment(S, q, l1, v, on, target):
    """Lowest point of the objective among the zero crossings from v[on] to `target` and its end."""
    start, step = v[on], target - v[on]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -start / step
    times = np.append(np.unique(crossing[(crossing > 0) & (crossing < 1)]), 1.0)
    S_on = S[np.ix_(on, on)]
    slope, curvature = step @ (S_on @ start - q[on]), step @ S_on @ step
    values = times * slope + 0.5 * times**2 * curvature
    values += l1 * np.abs(start + times[:, None] * step).sum(axis=1)
    best = times[np.argmin(values)]
    point = start + best * step
    point[crossing == best] = 0.0
    return point


def _fix_constants(W, b, problem):
    """Choose among softmax weights that predict the same: constants over the classes are free.

    Intercepts sum to zero. Without an L2 penalty, adding a constant to all classes' weights of a
    column is free where as many are positive as negative (L1) or always (no penalty): the former
    are moved until one more weight is exactly zero, the latter sum to zero.
    """
    if problem.l2 == 0 and problem.l1 == 0:
        W = W - W.mean(axis=0)
    elif problem.l2 == 0 and len(W) % 2 == 0:
        ordered = np.sort(W, axis=0)
        low, high = ordered[len(W) // 2 - 1], ordered[len(W) // 2]
        shift = np.where(-low < high, low, high) * (low < 0) * (high > 0)
        W = W - shift
    return W, b - b.mean() * problem.fit_intercept
