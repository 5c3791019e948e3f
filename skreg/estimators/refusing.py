"""What is no table and what are no targets, said before anything else looks at them.

scikit-learn's validation says of some of these what numpy made of them, and lets others through: the ``None``
of a regressor becomes NaN after it has looked for NaN.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Set

import numpy as np
import pandas as pd
import scipy.sparse as sp

from skreg.estimators.tables import missing_text, shown

#: What numpy's and pandas' names of types of dates and of spans of time begin with.
_TIMES = ("datetime", "date", "timestamp", "period", "timedelta", "duration")

_PLAIN = (bool, int, float, np.bool_, np.integer, np.floating)


# -- tables ----------------------------------------------------------------------------------------


def refuse_no_table(X):
    """Refuse what is no table at all, and tables whose columns have one name.

    Raises
    ------
    ValueError
    """
    if sp.issparse(X):  # of which one kind is a dict
        return
    if isinstance(X, str | bytes | os.PathLike):
        raise ValueError(
            f"X is {str(X)!r}, not a table of rows and columns. If this names a file, read it first, for "
            "example by pandas.read_csv, and pass its feature columns."
        )
    if X is None or isinstance(X, Mapping | Set | Iterator):
        remedy = (
            "pandas.DataFrame(X) makes one"
            if isinstance(X, Mapping)
            else "Pass an array or a DataFrame"
        )
        what = "None" if X is None else f"a {type(X).__name__}"
        raise ValueError(f"X is {what}, not a table of rows and columns. {remedy}.")
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise ValueError("X is a polars LazyFrame, which has no rows yet. Pass X.collect().")
    if getattr(getattr(X, "dtype", None), "names", None):
        raise ValueError(
            f"X is a structured array with the fields {X.dtype.names}, not a table of rows and columns. "
            "pandas.DataFrame(X) makes one."
        )
    if hasattr(X, "columns") and hasattr(X, "shape"):
        _refuse_names(X)
    else:
        _refuse_sequence(X)


def _refuse_names(X):
    """Refuse a DataFrame without columns, or with two of one name."""
    names = list(getattr(X, "column_names", X.columns))
    if not names:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={tuple(X.shape)}): X is a DataFrame without columns. "
            "Pass the columns to learn from."
        )
    if len(set(names)) < len(names):
        name = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(
            f"X has {names.count(name)} columns of the name {name!r}. Rename all but one of them, or leave "
            "them out."
        )


def _refuse_sequence(X):
    """Refuse sequences of texts or of dicts, and one row of a DataFrame."""
    series = hasattr(X, "to_numpy")
    flat = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if not (flat or series) or not len(X):
        return
    first = X.iloc[0] if hasattr(X, "iloc") else X[0]
    if isinstance(first, str) and not _is_row(X):
        raise ValueError(
            f"X is a sequence of texts, such as {str(first)!r}, not a table of rows and columns. Turn "
            "texts into numbers first, for example by sklearn.feature_extraction.text.TfidfVectorizer."
        )
    if isinstance(first, Mapping):
        raise ValueError(
            "X is a sequence of dicts, not a table of rows and columns. pandas.DataFrame(X) makes one."
        )
    if _is_row(X):
        raise ValueError(
            f"Expected 2D array, got 1D array instead: X is a Series named {X.name!r}. If it is one row of a "
            "DataFrame, pass it as a table of one row, as frame.loc[[name]] is; if it is one column, pass "
            "X.to_frame()."
        )


def _is_row(X):
    """Whether a Series looks like a row of a DataFrame: its index holds names."""
    return hasattr(X, "iloc") and hasattr(X, "index") and all(isinstance(i, str) for i in X.index)


# -- targets ---------------------------------------------------------------------------------------


def plain_targets(y, *, numbers=None):
    """Targets as they are, but for numbers in Python objects, which become an array of their kind.

    Parameters
    ----------
    y : array-like or sparse matrix
    numbers : bool or None
        Whether they are for a regressor; None where that is not known.

    Returns
    -------
    array-like

    Raises
    ------
    ValueError
        For what are no targets, for missing ones, and for kinds that no estimator of this sort takes.
    """
    if sp.issparse(y):
        return y
    if isinstance(y, str | bytes):
        raise ValueError(
            f"y is {y!r}, not the targets of the rows. If this names a column, pass the column itself, such "
            f"as frame[{y!r}], and leave it out of X."
        )
    if isinstance(y, Mapping | Set | Iterator):
        raise ValueError(
            f"y is a {type(y).__name__}, not the targets of the rows. Pass a sequence with one for each row "
            "of X."
        )
    try:
        values = np.asarray(y)
    except (TypeError, ValueError):  # lists of unequal lengths: scikit-learn says so
        return y
    if values.ndim == 2 and not values.shape[1]:
        raise ValueError("y has no columns. Pass one target for each row of X.")
    if values.ndim == 0 or not values.size:
        return y
    _refuse_kinds(values, str(getattr(y, "dtype", "")).lower(), numbers)
    if values.dtype.kind in "US" and isinstance(y, list | tuple):
        values = _objects(y)  # of a gap among texts numpy makes the text 'nan'
    if values.dtype != object:
        # pandas' own types, of which scikit-learn makes float64
        return values if hasattr(y, "dtype") and not isinstance(y.dtype, np.dtype) else y
    return _of_objects(values, y, numbers)


def _objects(values):
    """A list as an array of Python objects."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found if not isinstance(values[0], list | tuple) else np.array(values, dtype=object)


def _refuse_kinds(values, name, numbers):
    """Refuse complex numbers, and of a regressor dates."""
    if values.dtype.kind == "c":
        raise ValueError(
            "Complex data not supported: y holds complex numbers. Pass their real parts, y.real."
        )
    if values.dtype.kind in "mM" and np.isnat(values).any():
        raise ValueError(missing_text(np.isnat(values)))
    if numbers and (values.dtype.kind in "mM" or name.startswith(_TIMES)):
        raise ValueError(
            f"y holds dates or times, such as {shown(values.ravel()[0])}: a regressor needs numbers. Turn "
            "them into numbers first, such as days since some date."
        )


def _of_objects(values, y, numbers):
    """The same of Python objects: an array of their kind where they are numbers."""
    gaps = pd.isna(values)
    if gaps.any():
        raise ValueError(missing_text(gaps))
    kinds = set(map(type, values.ravel()))
    if all(issubclass(kind, _PLAIN) for kind in kinds):
        return np.array(values.tolist())
    texts = {kind for kind in kinds if issubclass(kind, str)}
    if numbers is not False or texts == kinds:
        return y
    if texts:
        text = next(v for v in values.ravel() if isinstance(v, str))
        other = next(v for v in values.ravel() if not isinstance(v, str))
        raise ValueError(
            f"y mixes texts, such as {text!r}, with other labels, such as {other!r}. Make all of them one "
            "kind, for example by [str(label) for label in y]."
        )
    other = next(v for v in values.ravel() if not isinstance(v, _PLAIN))
    raise ValueError(
        f"Unknown label type: y holds labels of the type {type(other).__name__}, such as {shown(other)}. "
        "Labels are texts, whole numbers or booleans: [str(label) for label in y] makes texts of them."
    )
