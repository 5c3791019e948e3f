"""Ensembles of nets, trained as one stack."""

from __future__ import annotations

from skreg.estimators.bagging.classifier import BaggedMLPClassifier
from skreg.estimators.bagging.regressor import BaggedMLPRegressor

__all__ = ["BaggedMLPClassifier", "BaggedMLPRegressor"]
