"""Gradient boosting as people use it: scikit-learn's own, with what a table needs in front of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from skreg.comparison.preparing import needs_preparing

__all__ = ["boosting", "boosting_for"]

# scikit-learn's boosting takes no more levels of a category; the rarest are joined
MOST_LEVELS = 255
FEWEST = 20


def boosting(task: str, random_state: int = 0, **options: Any) -> BaseEstimator:
    """scikit-learn's histogram gradient boosting with its default parameters.

    Parameters
    ----------
    task : {"classification", "regression"}
    random_state : int, default=0
    **options : further parameters

    Returns
    -------
    HistGradientBoostingClassifier or HistGradientBoostingRegressor
        It takes columns with gaps and columns of the dtype category.
    """
    classes = task == "classification"
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(random_state=random_state, **options)


def boosting_for(X: Any, task: str, random_state: int = 0) -> BaseEstimator | None:
    """Gradient boosting for one table.

    Numbers, with gaps or without, go to it as they are. Categories are numbered, which scikit-learn
    does by itself for columns of the dtype category alone. Tables with dates, long texts or numbers
    that are written as text are for skrub's ``tabular_pipeline``, where skrub is installed.

    Parameters
    ----------
    X : array-like, DataFrame or sparse matrix of shape (n_samples, n_features)
        Its kinds of columns are looked at.
    task : {"classification", "regression"}
    random_state : int, default=0

    Returns
    -------
    estimator or None
        Not fitted; None for a sparse matrix, which scikit-learn's boosting does not take.
    """
    if hasattr(X, "toarray"):
        return None
    if needs_preparing(X):
        pipeline = _with_skrub(boosting(task, random_state, categorical_features="from_dtype"))
        if pipeline is not None:
            return pipeline
    if not hasattr(X, "iloc") and not isinstance(X, np.ndarray):  # such as a DataFrame of polars
        return boosting(task, random_state)
    words, empty = _columns_of_words(X), _all_but_empty(X)
    words = [name for name in words if name not in empty]
    if not words and not empty:
        return boosting(task, random_state)
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        max_categories=MOST_LEVELS,
    )
    # what is encoded comes first
    parts = ([(encode, words)] if words else []) + ([("drop", empty)] if empty else [])
    columns = make_column_transformer(*parts, remainder="passthrough")
    if _has_nullable(X):  # pandas.NA is for a DataFrame
        columns.set_output(transform="pandas")
    options = {"categorical_features": list(range(len(words)))} if words else {}
    return make_pipeline(columns, boosting(task, random_state, **options))


def _with_skrub(model: BaseEstimator) -> BaseEstimator | None:
    try:
        from skrub import tabular_pipeline
    except ImportError:
        return None
    return tabular_pipeline(model)


def _columns_of_words(X: Any) -> list[Any]:
    """Columns that hold no numbers, by name, or by place in an array."""
    if not hasattr(X, "iloc"):
        return [] if X.dtype.kind in "biuf" else list(range(X.shape[1]))
    return [name for name, column in X.items() if not pd.api.types.is_numeric_dtype(column.dtype)]


def _has_nullable(X: Any) -> bool:
    return hasattr(X, "iloc") and any(getattr(d, "na_value", None) is pd.NA for d in X.dtypes)


def _all_but_empty(X: Any) -> list[Any]:
    """Columns with so few values that a fold may have none, with which scikit-learn's boosting fails."""
    if hasattr(X, "iloc"):
        return [name for name, column in X.items() if column.notna().sum() < min(FEWEST, len(X))]
    if X.dtype.kind != "f":
        return []
    return np.flatnonzero((~np.isnan(X)).sum(axis=0) < min(FEWEST, len(X))).tolist()
