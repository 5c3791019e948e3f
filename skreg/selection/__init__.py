"""Which columns a model needs: paths of strengths, and stability selection."""

from __future__ import annotations

from skreg.selection.path import feature_path
from skreg.selection.result import FeaturePath
from skreg.selection.stability import StabilitySelector

__all__ = ["FeaturePath", "StabilitySelector", "feature_path"]
