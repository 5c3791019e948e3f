"""BaggedMLPRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from skreg.estimators import outputs
from skreg.estimators.bagging.base import BaseBaggedMLP
from skreg.estimators.bagging.docs import describe
from skreg.estimators.mlp import RegularizedMLPRegressor
from skreg.estimators.target import predictions

if TYPE_CHECKING:
    from skreg import typing as types


class BaggedMLPRegressor(RegressorMixin, BaseBaggedMLP):
    __doc__ = describe(
        """Ensemble of neural networks whose predictions are averaged, trained as one stack.

    Like scikit-learn's ``BaggingRegressor`` of a :class:`RegularizedMLPRegressor`, except that all
    members are trained side by side, inside or outside of ``parallel_config(backend="skreg")``, and
    may be stopped together.
""",
        """
    See Also
    --------
    BaggedMLPClassifier : The same for classes.
    sklearn.ensemble.BaggingRegressor : Bagging of any regressor.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import BaggedMLPRegressor, RegularizedMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> net = RegularizedMLPRegressor((16,), max_iter=20)
    >>> bag = BaggedMLPRegressor(net, n_estimators=8, random_state=0).fit(X, y)
    >>> bag.predict(X[:2]).shape, bag.predict_std(X[:2]).shape
    ((2,), (2,))
    """,
        net="RegularizedMLPRegressor",
        score="R^2",
        oob="oob_prediction_ : ndarray of shape (n,) or (n, n_targets)",
    )

    estimator_: RegularizedMLPRegressor
    estimators_: list[RegularizedMLPRegressor]
    oob_prediction_: types.Array

    _net = RegularizedMLPRegressor
    _averages_predictions = True

    @outputs.returns(outputs.NUMBERS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict the mean over members."""
        return self._by_rows(X, lambda raw: predictions(self.estimators_, raw).mean(axis=0))

    def _set_out_of_bag(self, mean, y, seen, weight):
        self.oob_prediction_ = mean
        self.oob_score_ = np.nan
        if np.count_nonzero(seen) > 1:
            weight = None if weight is None else weight[seen]
            self.oob_score_ = float(r2_score(y[seen], mean[seen], sample_weight=weight))
