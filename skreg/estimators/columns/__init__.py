"""From the user's table to the numbers that a model is fitted on.

`reading` says which columns hold categories and makes a table of numbers with gaps; `Preparation` fills,
scales and encodes it. Both are learned from the training rows and kept with the model.
"""

from skreg.estimators.columns.precision import within_precision
from skreg.estimators.columns.preparation import Preparation, PreparedRows, prepare
from skreg.estimators.columns.reading import read, read_to_predict

__all__ = ["Preparation", "PreparedRows", "prepare", "read", "read_to_predict", "within_precision"]
