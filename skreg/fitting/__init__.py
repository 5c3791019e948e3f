"""From a file to a model: what stands behind the commands `skreg fit` and `skreg predict`."""

from skreg.fitting.model import Model, ModelFileError, load_model
from skreg.fitting.run import FitReport, fit_table

__all__ = ["FitReport", "Model", "ModelFileError", "fit_table", "load_model"]
