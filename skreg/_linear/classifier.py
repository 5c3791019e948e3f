"""RegularizedLinearClassifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import sklearn
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skreg._linear import by_sklearn
from skreg._linear.base import (
    RegularizedLinearModel,
    encode_classes,
    row_weights,
    times_class_weight,
)
from skreg._linear.null_model import class_intercepts, class_residuals, largest_gradient
from skreg._rows import warn

#: `max_iter` and `tol` that bring each solver near the minimum within seconds.
BUDGETS = {
    "newton-cholesky": (1000, 1e-8),
    "lbfgs": (1000, 1e-8),
    "liblinear": (1000, 1e-6),
    "saga": (300, 1e-4),
}


class RegularizedLinearClassifier(ClassifierMixin, RegularizedLinearModel):
    """Logistic regression with the nets' objective and the nets' two numbers, `l1` and `l2`.

    The objective is::

        J = 1/sum(w) * sum_i w_i * loss(y_i, W x_i + b) + l1 * sum|W| + l2/2 * sum W^2

    with the log loss of one logit for two classes and of a softmax over one logit a class for more
    (multinomial, not one versus rest). w is ``sample_weight`` times the class weight. The
    intercepts b are never penalised. Both penalties together are the elastic net [1]_. J does not
    change when every row is given twice, so one value of `l1` or `l2` means the same for any number
    of rows; it does change with the scale of the columns: put StandardScaler in front.

    Parameters
    ----------
    l1 : float >= 0, default=0.0
        Strength of the L1 penalty. :func:`l1_max` is the least that makes all weights zero. For L1
        alone, which is quicker to solve for two classes, set `l2` to 0.
    l2 : float >= 0, default=1e-4
        Strength of the L2 penalty. Without any penalty and with classes that a plane separates J
        has no minimum: the weights grow until the gradient is below `tol`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, times ``sample_weight``. "balanced" gives every class the same
        total weight, ``sample_weight`` included.
    fit_intercept : bool, default=True
        Whether there are intercepts.
    solver : {"auto", "newton-cholesky", "lbfgs", "liblinear", "saga"}, default="auto"
        That of :class:`~sklearn.linear_model.LogisticRegression`. "auto" takes

        - without L1, "newton-cholesky" up to 1,000 weights if `l2 > 0`, and "lbfgs" else;
        - with L1 alone and two classes, "liblinear";
        - with both penalties, or L1 and more classes, "saga".

        "newton-cholesky" and "lbfgs" do no L1, "liblinear" nothing but L1 for two classes.
    max_iter : int >= 1 or None, default=None
        Iterations of the solver at most; those of "saga" are passes over the rows. None is 300 for
        "saga" and 1,000 for the others.
    tol : float > 0 or None, default=None
        When the solver stops, which each decides in its own way: "newton-cholesky" and "lbfgs" when
        no entry of the gradient of J is larger, "liblinear" when the violations of the optimality
        conditions add up to less than this share of those at zero weights, "saga" when no weight
        changes by more than this share of the largest one. None is 1e-8, 1e-8, 1e-6 and 1e-4.
    random_state : int, RandomState instance or None, default=None
        Order of the rows in "saga" and of the columns in "liblinear". None is 0: the minimum does
        not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights W, one row for two classes. With L1, zeros are exact.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b; those of a softmax sum to zero.
    sparsity_ : float
        Share of the weights that are exactly zero.
    n_zero_weights_, n_weights_ : int
        Weights that are exactly zero, and all.
    n_iter_ : int
        Iterations the solver took; 1 where `l1` leaves no weight, which needs no solver.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where all are strings.

    See Also
    --------
    RegularizedLinearRegressor : The same for numbers.
    l1_max : Where a grid of `l1` begins.

    Notes
    -----
    In the terms of :class:`~sklearn.linear_model.LogisticRegression`, which sums over rows,
    ``C = 1 / ((l1 + l2) * sum(w))`` and ``l1_ratio = l1 / (l1 + l2)``. glmnet's lambda is
    ``l1 + l2`` and its alpha ``l1 / (l1 + l2)``.

    With L2 alone the minimum is reached to six digits or more. With L1 alone and two classes the
    default `tol` gives logits to about three digits at the least, and mostly to four or five.
    "saga" is first order: on tables of many or correlated columns it runs into `max_iter`, with a
    warning, and weights on their way to zero are then counted as weights in use.
    :doc:`/benchmarks/linear_solvers` has the figures.

    "liblinear" penalises the intercept as if it were a weight. It is given a constant column so
    large (``intercept_scaling``) that the gradient of the loss with respect to the intercept, 0 at
    the minimum of J, is 1e-7 instead.

    References
    ----------
    .. [1] Zou, H. and Hastie, T. (2005). "Regularization and variable selection via the elastic
       net." Journal of the Royal Statistical Society B 67(2), 301-320.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedLinearClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> model = RegularizedLinearClassifier(l1=0.03, l2=0.0).fit(X, y)
    >>> model.n_zero_weights_, model.n_weights_
    (24, 30)
    >>> model.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **RegularizedLinearModel._parameter_constraints,
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "solver": [StrOptions({"auto", *BUDGETS})],
        "max_iter": [None, Interval(Integral, 1, None, closed="left")],
        "tol": [None, Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        l1=0.0,
        l2=1e-4,
        *,
        class_weight=None,
        fit_intercept=True,
        solver="auto",
        max_iter=None,
        tol=None,
        random_state=None,
    ):
        self.l1 = l1
        self.l2 = l2
        self.class_weight = class_weight
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Minimise the objective.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
        y : array-like of shape (n,)
            Class labels: numbers, strings or booleans.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, >= 0; an integer weight is that many copies of the row.

        Returns
        -------
        self : RegularizedLinearClassifier

        Raises
        ------
        ValueError
            If there is one class only, no weight is left, or `solver` cannot do the penalty.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = encode_classes(y)
        weight = row_weights(sample_weight, X)
        weight = times_class_weight(weight, self.class_weight, codes, self.classes_)
        solution = self._solve(X, codes, weight)
        self._set_fitted(solution.coef, solution.intercept, solution.n_iter)
        return self

    def _solve(self, X, codes, weight):
        k, d = len(self.classes_), X.shape[1]
        solver = self._choose_solver(d if k == 2 else k * d)
        start = class_intercepts(codes, k, weight, self.fit_intercept)
        if self.l1 > 0 and largest_gradient(X, class_residuals(start, codes), weight) <= self.l1:
            return by_sklearn.Solution(np.zeros((len(start), d)), start, n_iter=1)
        max_iter, tol = BUDGETS[solver]
        max_iter = max_iter if self.max_iter is None else self.max_iter
        tol = tol if self.tol is None else self.tol
        solution = by_sklearn.logistic(
            X,
            codes,
            weight,
            l1=self.l1,
            l2=self.l2,
            solver=solver,
            start=start,
            fit_intercept=self.fit_intercept,
            max_iter=max_iter,
            tol=tol,
            random_state=0 if self.random_state is None else self.random_state,
        )
        if solution.n_iter >= max_iter:
            warn(
                f"{type(self).__name__}: {solver} was stopped by max_iter={max_iter} before it "
                f"reached tol={tol:g}. Standardise the columns (StandardScaler), raise l1 or l2, "
                "or raise max_iter or tol.",
                ConvergenceWarning,
            )
        return solution

    def _choose_solver(self, n_weights):
        multinomial = len(self.classes_) > 2
        one_versus_rest = multinomial and by_sklearn.VERSION < (1, 7)  # of newton-cholesky
        if self.solver == "auto":
            if self.l1 > 0:
                return "saga" if multinomial or self.l2 > 0 else "liblinear"
            # Without a penalty its Hessian becomes singular where a plane separates the classes.
            newton = self.l2 > 0 and n_weights <= by_sklearn.NEWTON_WEIGHTS
            return "newton-cholesky" if newton and not one_versus_rest else "lbfgs"
        if self.solver in ("newton-cholesky", "lbfgs") and self.l1 > 0:
            raise ValueError(
                f"solver={self.solver!r} has no L1 penalty, but l1={self.l1:g}. Use l1=0, or "
                "solver='auto' or 'saga'."
            )
        if self.solver == "liblinear" and (multinomial or self.l1 == 0 or self.l2 > 0):
            raise ValueError(
                f"solver='liblinear' is for two classes, l1 > 0 and l2=0, but there are "
                f"{len(self.classes_)} classes, l1={self.l1:g} and l2={self.l2:g}. Use "
                "solver='auto', or change them."
            )
        if self.solver == "newton-cholesky" and one_versus_rest:
            raise ValueError(
                f"solver='newton-cholesky' of scikit-learn {sklearn.__version__} fits one versus "
                f"rest for {len(self.classes_)} classes. Use solver='auto', or scikit-learn 1.7."
            )
        return self.solver

    def decision_function(self, X):
        """Logits.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            Of ``classes_[1]`` for two classes.
        """
        raw = self._raw(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    def predict(self, X):
        """Most probable class labels, shape (n,)."""
        raw = self.decision_function(X)
        return self.classes_[(raw > 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)]

    def predict_proba(self, X):
        """Probabilities of the classes, shape (n, n_classes)."""
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return np.column_stack([expit(-raw), expit(raw)])
        return softmax(raw, axis=1)

    def predict_log_proba(self, X):
        """Logarithms of :meth:`predict_proba`, exact where a probability is too small for it."""
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return -np.column_stack([np.logaddexp(0.0, raw), np.logaddexp(0.0, -raw)])
        return log_softmax(raw, axis=1)
