"""RegularizedLinearRegressor."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from skreg.estimators import outputs
from skreg.estimators.all_or_nothing import all_or_nothing
from skreg.estimators.decorators import fit_context
from skreg.estimators.linear import by_sklearn
from skreg.estimators.linear.base import RegularizedLinearModel, prepared, standardisation
from skreg.estimators.linear.null_model import SMALLEST_SHARE, largest_gradient
from skreg.estimators.target_numbers import check_numbers

if TYPE_CHECKING:
    from typing import Self

    from skreg import typing as types

#: Penalties of each loss that scikit-learn has a solver for.
PENALTIES = {
    "squared_error": ("l1", "l2"),
    "absolute_error": ("l1",),
    "pinball": ("l1",),
    "poisson": ("l2",),
}


class RegularizedLinearRegressor(RegressorMixin, RegularizedLinearModel):
    """Linear regression with the nets' objective and the nets' two numbers, `l1` and `l2`.

    The objective is::

        J = 1/sum(w) * sum_i w_i * loss(y_i, W x_i + b) + l1 * sum|W| + l2/2 * sum W^2

    with the mean over rows and the sum over targets, w the ``sample_weight``, and the intercepts b
    not penalised. ``loss="squared_error"`` is (y - f)^2 / 2, so that both penalties together are
    the elastic net [1]_. With ``scale_target=True`` J is that of the *standardised* targets: the
    penalties apply to the weights in that scale, and one value of `l1` or `l2` means the same
    whatever the unit of the target. `coef_` and `intercept_` are given back in the user's units. J
    does change with the scale of the columns: set ``scale_features="standard"``.

    Parameters
    ----------
    l1 : float >= 0, default=0.0
        Strength of the L1 penalty; must be 0 with "poisson". For "squared_error", :func:`l1_max` is
        the smallest that makes all weights zero.
    l2 : float >= 0, default=1e-4
        Strength of the L2 penalty; must be 0 with "absolute_error" and "pinball".
    loss : {"squared_error", "absolute_error", "pinball", "poisson"}, default="squared_error"
        "squared_error" is (y - f)^2 / 2, "absolute_error" is abs(y - f), "pinball" fits `quantile`
        (abs(y - f) / 2 for the median); "poisson" is exp(f) - y f with predictions exp(f), for
        targets >= 0. There is no "huber": :class:`~sklearn.linear_model.HuberRegressor` estimates a
        scale along with the weights, which is another objective.
    quantile : float in (0, 1), default=0.5
        What "pinball" fits.
    fit_intercept : bool, default=True
        Whether there are intercepts. Without them, `scale_target` divides the targets and does not
        subtract anything.
    scale_target : bool, default=True
        Scale the targets inside: by their weighted mean and standard deviation with
        "squared_error"; by their weighted median and median absolute deviation with
        "absolute_error" and "pinball", whose `l1` does not depend on the scale. With "poisson",
        divide them by their mean if there is an intercept, and leave them as they are if not.
    max_iter : int >= 1, default=10_000
        Largest number of iterations, for solvers that iterate; those of coordinate descent are
        passes over the columns.
    tol : float > 0, default=1e-8
        With `l1` and "squared_error", coordinate descent stops when the duality gap is below this
        share of the mean square of the target; with "poisson", the solver stops when no entry of
        the gradient of J is larger. Closed forms and linear programs ignore it, except for
        "squared_error" on sparse X, where it is the relative residual.
    categorical_features : "from_dtype", array-like or None, default="from_dtype"
        Columns that hold categories, which are taken one-hot. "from_dtype" takes the columns of a DataFrame
        whose type is category, text or object with text; an array-like names columns, gives their numbers
        or a mask; None takes none. Gaps of numeric columns get the median of the column, and another column
        that says where they were.
    scale_features : {"standard", "robust", "quantile"} or None, default=None
        How numeric columns are scaled, as by the nets. None takes them as they are.

    Attributes
    ----------
    coef_ : ndarray of shape (n_inputs,) or (n_targets, n_inputs)
        Weights, in units of the target and of the columns as they are scaled. With L1, zeros are exact.
    input_names_ : ndarray of shape (n_inputs,)
        Names of the columns that they belong to; those of X, unless it has categories or gaps.
    intercept_ : float or ndarray of shape (n_targets,)
        Intercepts, in units of the target.
    sparsity_ : float
        Share of the weights that are exactly zero.
    n_zero_weights_, n_weights_ : int
        Weights that are exactly zero, and all.
    n_iter_ : int
        Iterations the solver took, 1 for a closed form; the most over targets.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where all are strings.

    See Also
    --------
    RegularizedLinearClassifier : The same for classes.
    l1_max : Where a grid of `l1` begins.

    Notes
    -----
    With ``scale_target=False``, in scikit-learn's terms:
    :class:`~sklearn.linear_model.Ridge` has ``alpha = l2 * sum(w)`` (`l1 = 0`),
    :class:`~sklearn.linear_model.Lasso` ``alpha = l1``,
    :class:`~sklearn.linear_model.ElasticNet` ``alpha = l1 + l2`` and
    ``l1_ratio = l1 / (l1 + l2)``, :class:`~sklearn.linear_model.PoissonRegressor` ``alpha = l2``,
    :class:`~sklearn.linear_model.QuantileRegressor` ``alpha = l1`` ("absolute_error": ``l1 / 2``).
    With a standardised target of standard deviation s, the same hold for y / s.

    These are also the estimators that solve it, LinearRegression where there is no penalty: with
    more columns than rows its weights are those of least norm. A loss with a penalty that none of
    them has is refused; ``RegularizedMLPRegressor(hidden_layer_sizes=(), weight_decay=0)`` has the
    same objective with any loss and any penalty, minimised by gradient steps.

    References
    ----------
    .. [1] Zou, H. and Hastie, T. (2005). "Regularization and variable selection via the elastic
       net." Journal of the Royal Statistical Society B 67(2), 301-320.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skreg import RegularizedLinearRegressor, l1_max
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> strongest = l1_max(X, y)
    >>> for share in (1.0, 0.3, 0.1):
    ...     model = RegularizedLinearRegressor(l1=share * strongest, l2=0.0).fit(X, y)
    ...     print(model.n_weights_ - model.n_zero_weights_, round(model.score(X, y), 2))
    0 0.0
    4 0.43
    5 0.49
    """

    intercept_: float | types.Array

    _parameter_constraints: ClassVar[dict] = {
        **RegularizedLinearModel._parameter_constraints,
        "loss": [StrOptions(set(PENALTIES))],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
        "scale_target": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        l1: float = 0.0,
        l2: float = 1e-4,
        *,
        loss: types.LinearLoss = "squared_error",
        quantile: float = 0.5,
        fit_intercept: bool = True,
        scale_target: bool = True,
        max_iter: int = 10_000,
        tol: float = 1e-8,
        categorical_features: types.Columns = "from_dtype",
        scale_features: types.Scale = None,
    ) -> None:
        self.l1 = l1
        self.l2 = l2
        self.loss = loss
        self.quantile = quantile
        self.fit_intercept = fit_intercept
        self.scale_target = scale_target
        self.max_iter = max_iter
        self.tol = tol
        self.categorical_features = categorical_features
        self.scale_features = scale_features

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: types.Table, y: types.Target, sample_weight: types.RowWeights | None = None
    ) -> Self:
        """Minimise the objective.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_targets)
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, >= 0; an integer weight is that many copies of the row.

        Returns
        -------
        self : RegularizedLinearRegressor

        Raises
        ------
        ValueError
            If all weights are zero, or `loss` does not support the penalty or the targets.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight)

    def _fit(self, X, y, sample_weight):
        table = self.categorical_features, self.scale_features
        X, y, weight = prepared(
            self, X, y, *table, sample_weight, multi_output=True, y_numeric=True
        )
        y = check_numbers(y, self.loss)
        self._check_penalties()
        targets = y.reshape(len(y), -1)
        mean, scale = self._scale(targets, weight)
        solution = self._solve(X, (targets - mean) / scale, weight)
        if self.loss == "poisson":
            coef, intercept = solution.coef, solution.intercept + np.log(scale)
        else:
            coef = solution.coef * scale[:, None]
            intercept = solution.intercept * scale + mean
        flat = y.ndim == 1
        self._set_fitted(
            coef[0] if flat else coef, float(intercept[0]) if flat else intercept, solution.n_iter
        )
        return self

    @outputs.returns(outputs.NUMBERS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict numbers, in the units of the target."""
        raw = self._raw(X)
        return np.exp(raw) if self.loss == "poisson" else raw

    def _check_penalties(self):
        for name in {"l1", "l2"}.difference(PENALTIES[self.loss]):
            strength = getattr(self, name)
            if strength > 0:
                allowed = PENALTIES[self.loss][0]
                raise ValueError(
                    f"loss={self.loss!r} has no {name.upper()} penalty here, but {name}="
                    f"{strength:g}. Use {name}=0 (with {allowed} if you like), "
                    "loss='squared_error', or RegularizedMLPRegressor(hidden_layer_sizes=(), "
                    "weight_decay=0), which has this objective with every loss and penalty."
                )

    def _scale(self, y, weight):
        """What is subtracted from the targets and what they are divided by, each (n_targets,)."""
        # The logarithm of a divisor would be an intercept.
        no_intercept_for_it = self.loss == "poisson" and not self.fit_intercept
        if not self.scale_target or no_intercept_for_it:
            return np.zeros(y.shape[1]), np.ones(y.shape[1])
        return standardisation(y, weight, self.fit_intercept, self.loss)

    def _solve(self, X, y, weight):
        """Weights (n_targets, n_features) and intercepts (n_targets,) of the scaled targets."""
        options = {
            "fit_intercept": self.fit_intercept,
            "max_iter": self.max_iter,
            "tol": self.tol,
        }
        if self.loss == "squared_error" and self.l1 == 0:
            return by_sklearn.least_squares(X, y, weight, l2=self.l2, **options)
        solve = {
            "squared_error": self._solve_elastic_net,
            "absolute_error": self._solve_quantile,
            "pinball": self._solve_quantile,
            "poisson": self._solve_poisson,
        }[self.loss]
        found = [solve(X, column, weight, options) for column in y.T]
        return by_sklearn.Solution(
            np.vstack([one.coef for one in found]),
            np.concatenate([one.intercept for one in found]),
            max(one.n_iter for one in found),
        )

    def _solve_elastic_net(self, X, y, weight, options):
        mean = np.atleast_1d(np.average(y, weights=weight) * self.fit_intercept)
        # Constant targets among them, on which old scikit-learn never converges.
        if largest_gradient(X, mean - y[:, None], weight) <= self.l1:
            return by_sklearn.Solution(np.zeros((1, X.shape[1])), mean, n_iter=1)
        return by_sklearn.elastic_net(X, y, weight, l1=self.l1, l2=self.l2, **options)

    def _solve_poisson(self, X, y, weight, options):
        if self.fit_intercept and not np.any(weight * y):
            # The intercept would run off to minus infinity.
            null = np.log([SMALLEST_SHARE])
            return by_sklearn.Solution(np.zeros((1, X.shape[1])), null, n_iter=1)
        return by_sklearn.poisson(X, y, weight, l2=self.l2, **options)

    def _solve_quantile(self, X, y, weight, options):
        # abs(r) is twice the pinball loss of the median.
        half = self.loss == "absolute_error"
        return by_sklearn.quantile(
            X,
            y,
            weight,
            quantile=0.5 if half else self.quantile,
            l1=self.l1 / 2 if half else self.l1,
            fit_intercept=options["fit_intercept"],
        )
