"""Which column of the user each feature was made of, so that columns can be counted as the user's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

__all__ = ["count_columns", "origins_of"]


def origins_of(transformer: Any, X: Any) -> NDArray[np.intp] | None:
    """Where the features come from that a fitted transformer makes of a table.

    Parameters
    ----------
    transformer : fitted transformer or None
        What stands in front of the candidates.
    X : array-like or DataFrame of shape (n_samples, n_columns)
        What it was fitted on.

    Returns
    -------
    ndarray of shape (n_features,) or None
        Place of the column that each feature was made of; None where the transformer does not tell.
    """
    if transformer is None:
        return np.arange(X.shape[1])
    if isinstance(transformer, Pipeline):
        found: NDArray[np.intp] | None = np.arange(X.shape[1])
        for _, step in transformer.steps:
            own = None if found is None else _origins_of_step(step, X, len(found))
            found = None if found is None or own is None else found[own]
        return found
    return _origins_of_step(transformer, X, X.shape[1])


def _origins_of_step(step: Any, X: Any, n_inputs: int) -> NDArray[np.intp] | None:
    if isinstance(step, SimpleImputer):
        return np.arange(n_inputs) if step.keep_empty_features else None
    if isinstance(step, OneToOneFeatureMixin):
        return np.arange(n_inputs)
    if hasattr(step, "output_to_input_") and hasattr(X, "columns"):  # of skrub
        place = {name: k for k, name in enumerate(X.columns)}
        return np.array([place[name] for name in step.output_to_input_.values()], dtype=np.intp)
    if isinstance(step, ColumnTransformer):
        return _origins_of_columns(step, n_inputs)
    return None


def _origins_of_columns(step: ColumnTransformer, n_inputs: int) -> NDArray[np.intp] | None:
    """Of columns that pass or are encoded one-hot, which is what this package puts there."""
    found: list[NDArray[np.intp]] = []
    for name, own, _ in step.transformers_:
        columns = np.asarray(step._transformer_to_input_indices[name], dtype=np.intp)
        if own == "drop" or len(columns) == 0:
            continue
        if isinstance(own, OneHotEncoder):
            # the infrequent levels of a column share one feature
            columns = np.repeat(columns, own._n_features_outs)
        elif not (_passes(own) or isinstance(own, OneToOneFeatureMixin)):
            return None
        found.append(columns)
    return np.concatenate(found) if found else np.arange(0)


def _passes(step: Any) -> bool:
    """Whether columns go through as they are; once fitted, scikit-learn has a transformer for that."""
    return step == "passthrough" or (isinstance(step, FunctionTransformer) and step.func is None)


def count_columns(
    marked: NDArray[np.bool_], origins: NDArray[np.intp] | None, *, need_all: bool = False
) -> int:
    """Count the columns of the user that marked features were made of.

    Parameters
    ----------
    marked : ndarray of shape (n_features,), dtype=bool
    origins : ndarray of shape (n_features,) or None
        As `origins_of` gives it; None counts features.
    need_all : bool, default=False
        Whether a column counts only where all its features are marked, and not where any is.

    Returns
    -------
    int
    """
    if origins is None:
        return int(marked.sum())
    columns = np.unique(origins[marked])
    if need_all:
        columns = np.setdiff1d(columns, origins[~marked])
    return len(columns)
