"""From a table in memory to numbers a net can take: impute, encode, scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

__all__ = ["LARGEST", "is_free_text", "is_text_only", "make_preprocessor", "needs_preparing"]

SCALERS = ("standard", "squash")
# a text column with more distinct values than this is free text, not a set of categories
CATEGORY_LIMIT = 40
# numbers beyond this cannot be held in single precision, in which nets are trained
LARGEST = float(np.finfo(np.float32).max)


def make_preprocessor(X: Any, preprocess: Any = "auto") -> BaseEstimator | None:
    """Choose what stands in front of every candidate.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Its kinds of columns and the size of its numbers are looked at.
    preprocess : {"auto", "standard", "squash"}, transformer or None, default="auto"
        - "standard": missing numbers become the median, columns are centred and scaled to unit
          variance. Columns that are not numbers go through skrub's TableVectorizer (through
          one-hot encoding where skrub is not installed). Sparse matrices are scaled only.
        - "squash": the same with skrub's SquashingScaler, which scales by quantiles and bends
          outliers back.
        - "auto": "standard", for those candidates that do not prepare the table by themselves.
        - a transformer of your own, or None to hand `X` on as it is.

    Returns
    -------
    transformer or None
        Not fitted.

    Raises
    ------
    ValueError
        If `preprocess` is not known, or `X` has infinite values or numbers too large for single
        precision; the message names the column.
    ImportError
        If "squash" is asked for and skrub is not installed.
    """
    if preprocess is None or hasattr(preprocess, "fit"):
        return preprocess
    if preprocess not in ("auto", *SCALERS):
        raise ValueError(
            f"preprocess={preprocess!r}: allowed are 'auto', 'standard', 'squash', a transformer "
            "or None."
        )
    _check_size_of_numbers(X)
    if hasattr(X, "toarray"):
        return StandardScaler(with_mean=False)  # centring would fill the zeros
    impute = SimpleImputer(strategy="median", keep_empty_features=True)
    scale = squashing_scaler() if preprocess == "squash" else StandardScaler()
    if not needs_encoding(X):
        return make_pipeline(impute, scale)
    return Pipeline([("encode", _encoder()), ("impute", impute), ("scale", scale)])


def needs_preparing(X: Any) -> bool:
    """Whether a table has columns that the estimators of this package do not take as they are.

    They take numbers and categories with gaps. Dates, long texts and numbers that are written as text are
    for what stands in front of them; so are sparse matrices, which they do not scale.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)

    Returns
    -------
    bool
    """
    if isinstance(X, np.ndarray):
        return X.dtype.kind not in "biuf"
    if not hasattr(X, "iloc"):
        return True
    return any(_is_no_category(X.iloc[:, j]) for j in range(X.shape[1]))


def _is_no_category(column: Any) -> bool:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(column):
        return bool(np.iscomplexobj(column))
    kinds = {type(value) for value in column.dropna().head(1000)}
    if not kinds <= {str, bool}:
        return True
    return is_free_text(column) or _numeric_share(column) > 0.5


def is_free_text(column: Any) -> bool:
    """Whether a column of text has too many values, of which hardly one returns, to hold categories."""
    distinct = column.nunique()
    return bool(distinct > CATEGORY_LIMIT and distinct > column.notna().sum() / 2)


def _check_size_of_numbers(X: Any) -> None:
    """Name the column that holds what cannot be scaled: infinity, 1e300."""
    if hasattr(X, "toarray"):
        columns = [("The table", np.asarray(X.data))]
    elif hasattr(X, "dtypes") and hasattr(X, "columns"):
        numeric = X.select_dtypes("number")
        columns = [(f"Column {name!r}", numeric[name]) for name in numeric]
    else:
        X = np.asarray(X)
        columns = [(f"Column {k}", X[:, k]) for k in range(X.shape[1])]
    for what, column in columns:
        values = np.asarray(column)
        if values.dtype.kind != "f":
            continue
        wrong = np.abs(values) > LARGEST
        if wrong.any():
            raise ValueError(
                f"{what} of X has {np.count_nonzero(wrong):,} infinite values or values too large to "
                f"compute with, such as {values[wrong][0]:g}. Correct them, or replace them by NaN "
                "(np.nan), which stands for a missing value."
            )


def squashing_scaler() -> BaseEstimator:
    """skrub's SquashingScaler, which bends what lies outside back to within 3."""
    try:
        from skrub import SquashingScaler
    except ImportError as error:
        raise ImportError(
            "preprocess='squash' takes skrub, which is not installed. "
            "Run `pip install skreg[cli]`, or use preprocess='standard'."
        ) from error
    return SquashingScaler(max_absolute_value=3.0)


def needs_encoding(X: Any) -> bool:
    """Whether a table has columns that hold no numbers."""
    if not hasattr(X, "dtypes") or not hasattr(X, "columns"):
        return np.asarray(X[:1]).dtype.kind not in "biuf" if isinstance(X, np.ndarray) else False
    return any(getattr(dtype, "kind", "O") not in "biuf" for dtype in X.dtypes)


def _encoder() -> BaseEstimator:
    one_hot = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=2,
        max_categories=100,
        sparse_output=False,
    )
    try:
        from skrub import TableVectorizer
    except ImportError:
        numbers = make_column_selector(dtype_include=["number", "bool"])
        rest = make_column_selector(dtype_exclude=["number", "bool"])
        return make_column_transformer(("passthrough", numbers), (one_hot, rest))
    return TableVectorizer(cardinality_threshold=CATEGORY_LIMIT, low_cardinality=one_hot)


def is_text_only(X: Any) -> bool:
    """Whether every column of a DataFrame is free text, with hardly a value that returns.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    bool
    """
    for name in X.columns:
        column = X[name].dropna()
        if not (column.dtype == object or str(column.dtype) in ("str", "string", "category")):
            return False
        if not is_free_text(column.astype(str)):
            return False
        if _numeric_share(column) > 0.5:
            return False
    return True


def _numeric_share(column: Any) -> float:
    import pandas as pd

    return float(pd.to_numeric(column.head(1000), errors="coerce").notna().mean())
