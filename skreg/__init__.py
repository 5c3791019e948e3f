"""skreg: regularized PyTorch MLPs for scikit-learn, trained in batches.

Importing the package registers the joblib backend ``"skreg"`` and does nothing else: the modules
behind the public names are imported when a name is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from joblib.parallel import register_parallel_backend

__version__ = "0.1.0"

_HOMES = {
    "BaggedMLPClassifier": "skreg.estimators.bagging",
    "BaggedMLPRegressor": "skreg.estimators.bagging",
    "RegularizedMLPClassifier": "skreg.estimators.mlp",
    "RegularizedMLPRegressor": "skreg.estimators.mlp",
    "RegularizedNetClassifier": "skreg.estimators.own",
    "RegularizedNetRegressor": "skreg.estimators.own",
    "RegularizedMLPClassifierCV": "skreg.estimators.search",
    "RegularizedMLPRegressorCV": "skreg.estimators.search",
    "RegularizedLinearClassifier": "skreg.estimators.linear",
    "RegularizedLinearRegressor": "skreg.estimators.linear",
    "l1_max": "skreg.estimators.linear",
    "compare": "skreg.comparison",
    "Comparison": "skreg.comparison",
    "load_model": "skreg.fitting",
    "last_rounds": "skreg.parallel",
    "plain": "skreg.estimators.presets",
    "TrainingCurveDisplay": "skreg.display",
    "ValidationPathDisplay": "skreg.display",
    "ComparisonDisplay": "skreg.display",
    "SearchDisplay": "skreg.display",
    "KnobDisplay": "skreg.display",
    "EnsembleDisplay": "skreg.display",
    "FeaturePath": "skreg.selection",
    "FeaturePathDisplay": "skreg.display",
    "StabilitySelectionDisplay": "skreg.display",
    "StabilitySelector": "skreg.selection",
    "feature_path": "skreg.selection",
}

if TYPE_CHECKING:
    from skreg.comparison import Comparison, compare
    from skreg.display import (
        ComparisonDisplay,
        EnsembleDisplay,
        FeaturePathDisplay,
        KnobDisplay,
        SearchDisplay,
        StabilitySelectionDisplay,
        TrainingCurveDisplay,
        ValidationPathDisplay,
    )
    from skreg.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
    from skreg.estimators.linear import (
        RegularizedLinearClassifier,
        RegularizedLinearRegressor,
        l1_max,
    )
    from skreg.estimators.mlp import RegularizedMLPClassifier, RegularizedMLPRegressor
    from skreg.estimators.own import RegularizedNetClassifier, RegularizedNetRegressor
    from skreg.estimators.presets import plain
    from skreg.estimators.search import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
    from skreg.fitting import load_model
    from skreg.parallel import last_rounds
    from skreg.selection import FeaturePath, StabilitySelector, feature_path

__all__ = [
    "BaggedMLPClassifier",
    "BaggedMLPRegressor",
    "Comparison",
    "ComparisonDisplay",
    "EnsembleDisplay",
    "FeaturePath",
    "FeaturePathDisplay",
    "KnobDisplay",
    "RegularizedLinearClassifier",
    "RegularizedLinearRegressor",
    "RegularizedMLPClassifier",
    "RegularizedMLPClassifierCV",
    "RegularizedMLPRegressor",
    "RegularizedMLPRegressorCV",
    "RegularizedNetClassifier",
    "RegularizedNetRegressor",
    "SearchDisplay",
    "StabilitySelectionDisplay",
    "StabilitySelector",
    "TrainingCurveDisplay",
    "ValidationPathDisplay",
    "compare",
    "feature_path",
    "l1_max",
    "last_rounds",
    "load_model",
    "plain",
]


def _backend(**options):
    from skreg.parallel.backend import SkregBackend

    return SkregBackend(**options)


register_parallel_backend("skreg", _backend)


# A type checker reads the imports above, and refuses what is not among them.
if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'skreg' has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__():
    return sorted([*globals(), *_HOMES])
