"""Linear models with the nets' objective: the baselines that share their `l1` and `l2`."""

from __future__ import annotations

from skreg.estimators.linear.classifier import RegularizedLinearClassifier
from skreg.estimators.linear.regressor import RegularizedLinearRegressor
from skreg.estimators.linear.strongest import l1_max

__all__ = ["RegularizedLinearClassifier", "RegularizedLinearRegressor", "l1_max"]
