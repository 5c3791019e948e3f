"""RegularizedMLPRegressorCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import RegressorMixin

from skreg.estimators.mlp import RegularizedMLPRegressor
from skreg.estimators.search.base import BaseSearch, outside

if TYPE_CHECKING:
    from skreg import typing as types


class RegularizedMLPRegressorCV(RegressorMixin, BaseSearch):
    """Joint search over all regularizers of a regressor."""

    _net = RegularizedMLPRegressor

    def _learn_from(self, chosen):
        """Numbers are predicted as they are."""

    def _set_outside(self, found, predicted):
        self.oof_predictions_ = outside(found, predicted)

    def predict(self, X: types.Table) -> types.Array:
        """Mean prediction, in the units of the target, shape (n,) or (n, n_targets)."""
        return self._mean(X)
