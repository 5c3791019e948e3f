"""Ensembles of nets, trained as one stack."""

from __future__ import annotations

from skreg._bagging.classifier import BaggedMLPClassifier
from skreg._bagging.regressor import BaggedMLPRegressor

__all__ = ["BaggedMLPClassifier", "BaggedMLPRegressor"]
