"""The engine: trains many networks as a few stacks. It knows neither scikit-learn nor pandas.

Start with README.md in this folder.
"""

from skreg.engine.job import Job, Result, Spec
from skreg.engine.train import Control, train

__all__ = ["Control", "Job", "Result", "Spec", "train"]
