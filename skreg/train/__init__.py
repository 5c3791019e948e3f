"""The engine: trains many networks as a few stacks. It knows neither scikit-learn nor pandas.

Start with README.md in this folder.
"""

from skreg.train.job import Job, Result, Spec
from skreg.train.run import Control, train

__all__ = ["Control", "Job", "Result", "Spec", "train"]
