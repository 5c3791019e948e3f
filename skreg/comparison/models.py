"""Facts of a fitted model: epochs, zero weights, features in use."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from skreg.comparison.origins import count_columns

__all__ = ["ModelFacts", "model_facts"]


class ModelFacts(NamedTuple):
    """Facts of one fitted model, NaN where they do not apply to it.

    Attributes
    ----------
    epochs : float
        Epochs trained; the mean over members for an ensemble.
    zero_share : float
        Share of the weights that are exactly zero.
    n_features_used : float
        Columns with a weight that is not zero, on them or on what was made of them.
    """

    epochs: float
    zero_share: float
    n_features_used: float


NOTHING = ModelFacts(np.nan, np.nan, np.nan)


def model_facts(model: Any, origins: NDArray[np.intp] | None = None) -> ModelFacts:
    """Read the facts off a fitted estimator.

    Parameters
    ----------
    model : fitted estimator
        A net (`coefs_`), a linear model (`coef_`), an ensemble of them (`estimators_`), or a
        Pipeline or search around one.
    origins : ndarray of shape (n_features,) or None, default=None
        Columns that the features were made of, by which columns are counted; None counts what the
        model was fitted on.

    Returns
    -------
    ModelFacts
    """
    model = _innermost(model)
    layers = _weights(model)
    if layers is not None:
        return _facts(model, [layers], None, origins)
    members = [_innermost(member) for member in np.ravel(getattr(model, "estimators_", []))]
    weights = [_weights(member) for member in members]
    if not members or any(layers is None for layers in weights):
        return NOTHING
    whole_width = getattr(model, "n_features_in_", None)
    widths = map(_n_features, members, weights)
    if any(width != whole_width for width in widths):
        return ModelFacts(_epochs(members), _zero_share(weights), np.nan)
    return _facts(model, weights, members, origins)


def _innermost(model: Any) -> Any:
    while True:
        if isinstance(model, Pipeline):
            model = model[-1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif hasattr(model, "estimator_") and not hasattr(model, "estimators_"):
            model = model.estimator_
        else:
            return model


def _weights(model: Any) -> list[np.ndarray] | None:
    """Weight matrices, first one of shape (n_features, ...)."""
    if hasattr(model, "coefs_"):
        return [np.asarray(layer) for layer in model.coefs_]
    if hasattr(model, "coef_"):
        return [np.atleast_2d(np.asarray(model.coef_)).T]
    return None


def _facts(
    model: Any, weights: list[list[np.ndarray]], members: Any, origins: NDArray[np.intp] | None
) -> ModelFacts:
    nets = [model] if members is None else members
    used = np.any([_used(*pair) for pair in zip(nets, weights, strict=True)], axis=0)
    epochs = _epochs(nets)
    if origins is not None and len(origins) != len(used):
        return ModelFacts(epochs, _zero_share(weights), np.nan)
    return ModelFacts(epochs, _zero_share(weights), float(count_columns(used, origins)))


def _n_features(model: Any, layers: list[np.ndarray]) -> int:
    """Columns that a model was fitted on."""
    return getattr(model, "n_features_in_", layers[0].shape[0])


def _used(model: Any, layers: list[np.ndarray]) -> np.ndarray:
    """Whether a column, or an input made of it, has a weight, shape (n_features,)."""
    connected = np.any(layers[0] != 0, axis=1)
    columns = getattr(model, "input_features_", np.arange(len(connected)))
    return np.bincount(columns, weights=connected, minlength=_n_features(model, layers)) > 0


def _epochs(models: list[Any]) -> float:
    # n_iter_ of a linear solver does not count passes over the rows
    if not all(hasattr(model, "coefs_") and hasattr(model, "n_iter_") for model in models):
        return np.nan
    return float(np.mean([model.n_iter_ for model in models]))


def _zero_share(weights: list[list[np.ndarray]]) -> float:
    matrices = [layer for layers in weights for layer in layers]
    return float(sum((m == 0).sum() for m in matrices) / sum(m.size for m in matrices))
