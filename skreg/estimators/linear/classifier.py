"""RegularizedLinearClassifier."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import sklearn
from scipy.special import expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from skreg.estimators import outputs
from skreg.estimators.all_or_nothing import all_or_nothing
from skreg.estimators.decision import class_counts, decided, shift_of
from skreg.estimators.decorators import fit_context
from skreg.estimators.labels import one_label_a_row
from skreg.estimators.linear import by_scipy, by_sklearn
from skreg.estimators.linear.base import (
    RegularizedLinearModel,
    encode_classes,
    prepared,
    times_class_weight,
)
from skreg.estimators.linear.null_model import class_intercepts
from skreg.estimators.rows import warn

if TYPE_CHECKING:
    from typing import Self

    from skreg import typing as types


class RegularizedLinearClassifier(ClassifierMixin, RegularizedLinearModel):
    """Logistic regression with the nets' objective and the nets' two numbers, `l1` and `l2`.

    The objective is::

        J = 1/sum(w) * sum_i w_i * loss(y_i, W x_i + b) + l1 * sum|W| + l2/2 * sum W^2

    with the log loss of one logit for two classes and of a softmax over one logit a class for more
    (multinomial, not one versus rest). w is ``sample_weight`` times the class weight. The
    intercepts b are never penalised. Both penalties together are the elastic net [1]_. J does not
    change when every row is given twice, so one value of `l1` or `l2` means the same for any number
    of rows; it does change with the scale of the columns: set ``scale_features="standard"``.

    Parameters
    ----------
    l1 : float >= 0, default=0.0
        Strength of the L1 penalty. :func:`l1_max` is the smallest that makes all weights zero. For
        L1 alone set `l2` to 0.
    l2 : float >= 0, default=1e-4
        Strength of the L2 penalty. Without any penalty, J has no minimum if a plane separates the
        classes: the weights then grow until the gradient is below `tol`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, finite numbers >= 0, which multiply ``sample_weight``. A class that
        is not named has the weight 1. "balanced" gives every class the same total weight,
        ``sample_weight`` included.
    decision : {"argmax", "balanced"} or dict, default="argmax"
        What turns probabilities into classes at `predict`: the class with the largest p_c / s_c.
        "argmax" takes the most probable class (s_c = 1), "balanced" divides by the shares of the
        classes in training, ``class_prior_``, which is best for balanced accuracy [3]_, and a dict
        {class: s_c} names every class with a finite number > 0. As in
        :class:`RegularizedMLPClassifier`; probabilities are the same with each.
    fit_intercept : bool, default=True
        Whether there are intercepts.
    solver : {"auto", "newton-cholesky", "lbfgs"}, default="auto"
        - "lbfgs" supports every penalty: without L1 it is that of
          :class:`~sklearn.linear_model.LogisticRegression`, with L1 scipy's L-BFGS-B [2]_;
        - "newton-cholesky" is that of LogisticRegression and does not support L1;
        - "auto" uses "newton-cholesky" up to 1,000 weights if `l2 > 0` and `l1 = 0`, and "lbfgs"
          otherwise.
    max_iter : int >= 1, default=10_000
        Largest number of iterations of the solver.
    tol : float > 0, default=1e-8
        The solver stops when no entry of the gradient of J is larger. With L1 it is the projected
        gradient, for columns divided by their standard deviation.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Columns that hold categories, which are taken one-hot. "from_dtype" takes the columns of a DataFrame
        whose type is category, text or object with text; an array-like names columns, gives their numbers
        or a mask; None takes none. Gaps of numeric columns get the median of the column, and another column
        that says where they were.
    scale_features : {"standard", "robust", "quantile"} or None, default=None
        How numeric columns are scaled, as by the nets. None takes them as they are.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.
    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes in training, rows counted by their weights, `class_weight` included.
    coef_ : ndarray of shape (1, n_inputs) or (n_classes, n_inputs)
        Weights W, one row for two classes, in units of the columns as they are scaled. With L1, zeros are
        exact.
    input_names_ : ndarray of shape (n_inputs,)
        Names of the columns that they belong to; those of X, unless it has categories or gaps.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts b; those of a softmax sum to zero.
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

    Writing W = P - N with P, N >= 0 makes the L1 penalty linear and J smooth; a weight is exactly
    zero where both are at their bound [2]_. The solution has six digits or more with each penalty;
    :doc:`/development/linear_solvers` has the figures.

    References
    ----------
    .. [1] Zou, H. and Hastie, T. (2005). "Regularization and variable selection via the elastic
       net." Journal of the Royal Statistical Society B 67(2), 301-320.
    .. [2] Schmidt, M., Fung, G. and Rosales, R. (2007). "Fast optimization methods for L1
       regularization: a comparative study and two new approaches." ECML, 286-297.
    .. [3] Menon, A., Narasimhan, H., Agarwal, S. and Chawla, S. (2013). "On the statistical consistency
       of algorithms for binary classification under class imbalance." ICML, 603-611.

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

    classes_: types.Array
    class_prior_: types.Array
    intercept_: types.Array

    _parameter_constraints: ClassVar[dict] = {
        **RegularizedLinearModel._parameter_constraints,
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "decision": [StrOptions({"argmax", "balanced"}), dict],
        "solver": [StrOptions({"auto", "newton-cholesky", "lbfgs"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        l1: float = 0.0,
        l2: float = 1e-4,
        *,
        class_weight: types.ClassWeight = None,
        decision: types.Decision = "argmax",
        fit_intercept: bool = True,
        solver: types.LinearSolver = "auto",
        max_iter: int = 10_000,
        tol: float = 1e-8,
        categorical_features: types.Columns = "from_dtype",
        scale_features: types.Scale = None,
    ) -> None:
        self.l1 = l1
        self.l2 = l2
        self.class_weight = class_weight
        self.decision = decision
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.categorical_features = categorical_features
        self.scale_features = scale_features

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: types.Table, y: types.Target, sample_weight: types.RowWeights | None = None
    ) -> Self:
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
            If there is only one class, all weights are zero, `decision` does not fit the classes, or
            `solver` does not support the penalty.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight):
        table = self.categorical_features, self.scale_features
        X, y, weight = prepared(self, X, y, *table, sample_weight, multi_output=True)
        y = one_label_a_row(y, type(self).__name__)
        self.classes_, codes = encode_classes(y)
        weight = times_class_weight(weight, self.class_weight, codes, self.classes_)
        n, counts = class_counts(codes, weight, len(self.classes_))
        shift = shift_of(self.decision, self.classes_, counts / n)
        solution = self._solve(X, codes, weight)
        intercept = solution.intercept
        if len(intercept) > 1:  # a constant on all of a softmax changes nothing
            intercept = intercept - intercept.mean()
        self.class_prior_, self._shift = counts / n, shift
        self._set_fitted(solution.coef, intercept, solution.n_iter)
        return self

    def _solve(self, X, codes, weight):
        k, d = len(self.classes_), X.shape[1]
        solver = self._choose_solver(d if k == 2 else k * d)
        options = {
            "l2": self.l2,
            "fit_intercept": self.fit_intercept,
            "max_iter": self.max_iter,
            "tol": self.tol,
        }
        if self.l1 > 0:
            start = class_intercepts(codes, k, weight, self.fit_intercept)
            solution = by_scipy.logistic(X, codes, weight, l1=self.l1, start=start, **options)
        else:
            solution = by_sklearn.logistic(X, codes, weight, solver=solver, **options)
        if not solution.converged:
            warn(
                f"{type(self).__name__}: {solver} ended after {solution.n_iter} iterations "
                f"(max_iter={self.max_iter}) before it reached tol={self.tol:g}. Standardise the "
                "columns (StandardScaler), raise l1 or l2, or raise max_iter or tol.",
                ConvergenceWarning,
            )
        return solution

    def _choose_solver(self, n_weights):
        multinomial = len(self.classes_) > 2
        one_versus_rest = multinomial and by_sklearn.VERSION < (1, 7)  # of newton-cholesky
        if self.solver == "auto":
            # Without a penalty its Hessian becomes singular where a plane separates the classes.
            newton = self.l1 == 0 < self.l2 and n_weights <= by_sklearn.NEWTON_WEIGHTS
            return "newton-cholesky" if newton and not one_versus_rest else "lbfgs"
        if self.solver == "newton-cholesky" and self.l1 > 0:
            raise ValueError(
                f"solver='newton-cholesky' has no L1 penalty, but l1={self.l1:g}. Use l1=0, or "
                "solver='auto' or 'lbfgs'."
            )
        if self.solver == "newton-cholesky" and one_versus_rest:
            raise ValueError(
                f"solver='newton-cholesky' of scikit-learn {sklearn.__version__} fits one versus "
                f"rest for {len(self.classes_)} classes. Use solver='auto', or scikit-learn 1.7."
            )
        return self.solver

    @outputs.returns(outputs.LOGITS)
    def decision_function(self, X: types.Table) -> types.Array:
        """Predict logits."""
        raw = self._raw(X)
        return raw[:, 0] if raw.shape[1] == 1 else raw

    @outputs.returns(outputs.LABELS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict labels, by the probabilities and `decision`."""
        raw = self._raw(X)
        return self.classes_[decided(raw, self._shift)]

    @outputs.returns(outputs.PROBABILITIES)
    def predict_proba(self, X: types.Table) -> types.Array:
        """Predict probabilities of the classes."""
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return np.column_stack([expit(-raw), expit(raw)])
        return softmax(raw, axis=1)

    @outputs.returns(outputs.LOG_PROBABILITIES)
    def predict_log_proba(self, X: types.Table) -> types.Array:
        """Predict logarithms of the probabilities, exact where `predict_proba` has a zero."""
        raw = self.decision_function(X)
        if raw.ndim == 1:
            return -np.column_stack([np.logaddexp(0.0, raw), np.logaddexp(0.0, -raw)])
        return log_softmax(raw, axis=1)
