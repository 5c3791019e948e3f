"""Figures in scikit-learn's manner: a display holds data, draws on demand, hands its data back.

matplotlib (``pip install skreg[plot]``) is imported when a figure is drawn, not before.
"""

from __future__ import annotations

from .comparison import ComparisonDisplay
from .descriptions import weight_norm, zero_share
from .ensemble import EnsembleDisplay
from .feature_path import FeaturePathDisplay
from .knobs import KnobDisplay
from .overfit_gap import OverfitGapDisplay
from .search import SearchDisplay
from .stability import StabilitySelectionDisplay
from .training_curve import TrainingCurveDisplay
from .validation_path import ValidationPathDisplay

__all__ = [
    "ComparisonDisplay",
    "EnsembleDisplay",
    "FeaturePathDisplay",
    "KnobDisplay",
    "OverfitGapDisplay",
    "SearchDisplay",
    "StabilitySelectionDisplay",
    "TrainingCurveDisplay",
    "ValidationPathDisplay",
    "weight_norm",
    "zero_share",
]
