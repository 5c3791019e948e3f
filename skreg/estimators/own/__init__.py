"""Estimators around a torch module of the user's."""

from skreg.estimators.own.nets import RegularizedNetClassifier, RegularizedNetRegressor

__all__ = ["RegularizedNetClassifier", "RegularizedNetRegressor"]
