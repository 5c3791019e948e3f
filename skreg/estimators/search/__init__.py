"""Joint search over all knobs, trained as one batched training, and an ensemble from it."""

from skreg.estimators.search.classifier import RegularizedMLPClassifierCV
from skreg.estimators.search.regressor import RegularizedMLPRegressorCV

__all__ = ["RegularizedMLPClassifierCV", "RegularizedMLPRegressorCV"]
