"""RegularizedLinearClassifier."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import sklearn
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skreg._linear import by_sklearn
from skreg._linear.base import (
    NEWTON_WEIGHTS,
    RegularizedLinearModel,
    row_weights,
    times_class_weight,
)
from skreg._linear.prox_newton import Logistic, Softmax, WorkingSetTooLarge


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
        Strength of the L1 penalty. :func:`l1_max` is the least that makes all weights zero.
    l2 : float >= 0, default=1e-4
        Strength of the L2 penalty. Without any penalty and with classes that a plane separates J
        has no minimum: the weights grow until the gradient is below `tol`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, times ``sample_weight``. "balanced" gives every class the same
        total weight, ``sample_weight`` included.
    fit_intercept : bool, default=True
        Whether there are intercepts.
    solver : {"auto", "prox-newton", "newton-cholesky", "lbfgs", "saga"}, default="auto"
        "prox-newton" (Newton's method around coordinate descent, after [2]_) does every penalty and
        is exact; "newton-cholesky", "lbfgs" and "saga" are those of
        :class:`~sklearn.linear_model.LogisticRegression`, the first two for `l1=0`. "auto" is
        "prox-newton" where `l1 > 0`, else "newton-cholesky" (`l2 > 0`) or "prox-newton" (`l2 = 0`)
        up to 1,000 weights and "lbfgs" beyond. If a solution with L1 uses more than 4,000 weights,
        "auto" goes on with "saga".
    max_iter : int >= 1, default=1000
        Iterations of the solver at most.
    tol : float > 0, default=1e-8
        "prox-newton" stops when no optimality condition is violated by more than this, relative to
        the root mean square of its column; "newton-cholesky" and "lbfgs" when no entry of the
        gradient of J is larger; "saga" when no weight changes by a larger share of the largest one.
    random_state : int, RandomState instance or None, default=None
        Order of the rows in "saga". Nothing else is random.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Weights W, one row for two classes. With L1, zeros are exact.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b; those of a softmax sum to zero with "prox-newton".
    sparsity_ : float
        Share of the weights that are exactly zero.
    n_zero_weights_, n_weights_ : int
        Weights that are exactly zero, and all.
    n_iter_ : int
        Iterations the solver took.
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

    Where constants can be added to the weights of all classes of a softmax without a change of J
    (an even number of classes, `l2 = 0`), "prox-newton" returns a solution with a zero more in each
    such column; [2]_, section 4.1.

    References
    ----------
    .. [1] Zou, H. and Hastie, T. (2005). "Regularization and variable selection via the elastic
       net." Journal of the Royal Statistical Society B 67(2), 301-320.
    .. [2] Friedman, J., Hastie, T. and Tibshirani, R. (2010). "Regularization paths for generalized
       linear models via coordinate descent." Journal of Statistical Software 33(1).

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
    >>> round(model.score(X, y), 3)
    0.975
    """

    _parameter_constraints: ClassVar[dict] = {
        **RegularizedLinearModel._parameter_constraints,
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "solver": [StrOptions({"auto", "prox-newton", "newton-cholesky", "lbfgs", "saga"})],
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
        max_iter=1000,
        tol=1e-8,
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
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class only, {self.classes_[0]!r}; a classifier needs rows of two or "
                "more. Check how the rows were split or selected."
            )
        weight = row_weights(sample_weight, X)
        weight = times_class_weight(weight, self.class_weight, codes, self.classes_)
        solution = self._solve(X, codes, weight)
        self._set_fitted(solution.coef, solution.intercept, solution.n_iter)
        return self

    def _solve(self, X, codes, weight):
        k = len(self.classes_)
        solver = self._choose_solver(X.shape[1] * (1 if k == 2 else k))
        if solver == "prox-newton":
            loss = Logistic(codes) if k == 2 else Softmax(codes, k)
            try:
                return self._prox_newton(X, loss, weight)
            except WorkingSetTooLarge:
                if self.solver != "auto":
                    raise ValueError(
                        f"solver='prox-newton' would need more than 4,000 weights at once for "
                        f"l1={self.l1:g}. Raise l1, or use solver='saga' (l1 > 0) or 'lbfgs' "
                        "(l1 = 0)."
                    ) from None
                solver = "saga"
        return by_sklearn.logistic(
            X,
            codes,
            weight,
            l1=self.l1,
            l2=self.l2,
            fit_intercept=self.fit_intercept,
            solver=solver,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
        )

    def _choose_solver(self, n_weights):
        small, multinomial = n_weights <= NEWTON_WEIGHTS, len(self.classes_) > 2
        if self.solver == "auto":
            if self.l1 > 0 or (self.l2 == 0 and small):
                return "prox-newton"
            # Before 1.7 it is one versus rest.
            newton = small and not (multinomial and by_sklearn.VERSION < (1, 7))
            return "newton-cholesky" if newton else "lbfgs"
        if self.l1 > 0 and self.solver in ("newton-cholesky", "lbfgs"):
            raise ValueError(
                f"solver={self.solver!r} has no L1 penalty, but l1={self.l1:g}. Use l1=0, or "
                "solver='auto', 'prox-newton' or 'saga'."
            )
        if self.solver == "newton-cholesky" and multinomial and by_sklearn.VERSION < (1, 7):
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
