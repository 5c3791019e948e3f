"""Strengths of a path: from the one that takes out all columns that can go, downwards."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skreg.estimators.linear.base import RegularizedLinearModel
from skreg.estimators.linear.regressor import RegularizedLinearRegressor
from skreg.estimators.linear.strongest import l1_max
from skreg.selection.models import is_of_classes, last_step

#: The weakest strength of a path as a share of the strongest, of linear models and of nets.
WEAKEST = {"linear": 1e-2, "net": 1e-3}


def strengths_of(estimator, X, y, strengths, n_strengths, sample_weight=None):
    """The strengths of a path, the strongest first.

    Parameters
    ----------
    estimator : estimator
    X, y : array-likes
        All rows.
    strengths : "auto" or array-like
    n_strengths : int
        How many where they are "auto".
    sample_weight : array-like, optional

    Returns
    -------
    ndarray of shape (n_strengths,)

    Raises
    ------
    ValueError
        For strengths that are no numbers above zero, and where none can be found.
    """
    if not isinstance(strengths, str):
        return _checked(strengths)
    strongest, kind = _strongest(estimator, X, y, sample_weight)
    if not strongest > 0:
        raise ValueError(
            "strengths='auto' found no strength: the target does not vary with any column. Check X and y, "
            "or pass strengths."
        )
    return strongest * np.geomspace(1.0, WEAKEST[kind], n_strengths)


def _checked(strengths):
    try:
        values = np.unique(np.asarray(strengths, dtype=np.float64).ravel())[::-1]
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if not len(values) or not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError(
            f"strengths={strengths!r} must be 'auto' or numbers > 0, such as np.geomspace(1, 1e-3, 20)."
        )
    return values.copy()


def _strongest(estimator, X, y, sample_weight):
    """The smallest strength at which no further column can go, and the kind of model."""
    model = last_step(estimator)
    if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
        X = clone(estimator[:-1]).fit_transform(X, y)
    if isinstance(model, RegularizedLinearModel):
        return _of_linear_model(model, X, y, sample_weight), "linear"
    raise NotImplementedError


def _of_linear_model(model, X, y, sample_weight):
    if isinstance(model, RegularizedLinearRegressor) and model.loss != "squared_error":
        raise ValueError(
            f"strengths='auto' knows no strongest l1 for loss={model.loss!r}. Pass strengths, such as "
            "np.geomspace(1, 1e-2, 20)."
        )
    classes = is_of_classes(model)
    return l1_max(
        X,
        y,
        sample_weight=sample_weight,
        class_weight=getattr(model, "class_weight", None),
        fit_intercept=model.fit_intercept,
        scale_target=getattr(model, "scale_target", True),
        task="classification" if classes else "regression",
        categorical_features=model.categorical_features,
        scale_features=model.scale_features,
    )
