"""Linear models with the nets' objective: the baselines that share their `l1` and `l2`."""

from __future__ import annotations

from skreg._linear.classifier import RegularizedLinearClassifier
from skreg._linear.regressor import RegularizedLinearRegressor
from skreg._linear.strongest import l1_max

__all__ = ["RegularizedLinearClassifier", "RegularizedLinearRegressor", "l1_max"]
