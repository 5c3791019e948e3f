"""RegularizedMLPRegressorCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import RegressorMixin

from skreg.estimators import outputs
from skreg.estimators.mlp import RegularizedMLPRegressor
from skreg.estimators.search.base import BaseSearch, outside
from skreg.estimators.search.docs import describe

if TYPE_CHECKING:
    from skreg import typing as types


class RegularizedMLPRegressorCV(RegressorMixin, BaseSearch):
    __doc__ = describe(
        """Search over all knobs of a regressor at once, and an ensemble of the best settings.
""",
        """
    See Also
    --------
    RegularizedMLPClassifierCV : The same for classes.
    sklearn.model_selection.RandomizedSearchCV : Search over any regressor; within
        ``parallel_config(backend="skreg")`` it trains the nets of a search in stacks as well.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import RegularizedMLPRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = RegularizedMLPRegressorCV(n_settings=4, random_state=0).fit(X, y)
    >>> search.predict(X[:2]).shape
    (2,)
    """,
        module="predictions",
        net="RegularizedMLPRegressor",
        outside="oof_predictions_ : ndarray of shape (n,) or (n, n_targets)",
    )

    oof_predictions_: types.Array
    estimators_: list[RegularizedMLPRegressor]

    _net = RegularizedMLPRegressor

    def _learn_from(self, chosen):
        """Numbers are predicted as they are."""

    def _set_outside(self, found, predicted):
        self.oof_predictions_ = outside(found, predicted)

    @outputs.returns(outputs.NUMBERS)
    def predict(self, X: types.Table) -> types.Array:
        """Predict the mean over nets, by their weights."""
        return self._mean(X)
