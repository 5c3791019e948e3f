"""Tables as they come in: what is taken, and errors that name the column, a value and the remedy.

scikit-learn decides whether a table is valid. Only where it says no, the table is looked at column by
column to find out where and why, so that a good table costs nothing.
"""

from __future__ import annotations

import datetime
import math
import os
import re

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

#: Precisions in which rows are predicted from as they are; all others become float64 as a whole.
PREDICTED_DTYPES = (np.float64, np.float32)

_ENCODE = (
    "Turn it into numbers first, for example by sklearn.preprocessing.OneHotEncoder in a "
    "ColumnTransformer, or put skrub.TableVectorizer, which takes text, categories and dates, in "
    "front of this estimator."
)

_IMPUTE = (
    "put sklearn.impute.SimpleImputer in front of this estimator, or skrub's TableVectorizer where "
    "the table has text and dates as well."
)

#: What is wrong with targets of a regressor that are text.
TEXT_FOR_NUMBERS = "y holds text: a regressor needs numbers, labels are for a classifier."

#: Beginnings of the names of column types that stand for dates, spans of time and categories, in
#: pandas, polars and pyarrow. scikit-learn takes some of them for numbers without a word.
_REFUSED = {
    "dates": ("datetime", "date", "timestamp", "period"),
    "times": ("timedelta", "duration", "time"),
    "categories": ("category", "categorical", "enum", "dictionary", "interval"),
}


#: What Python, numpy and pandas say of values that are no numbers.
_NO_NUMBER = ("could not convert", "must be a string or a", "NAType", "NaTType")


def as_numpy(data):
    """A torch tensor as an array; all else as it is."""
    if type(data).__module__.partition(".")[0] != "torch" or not hasattr(data, "detach"):
        return data
    data = data.detach().cpu()
    if str(data.layout) != "torch.strided":
        data = data.to_dense()
    if data.is_floating_point() and data.dtype.itemsize < 4:
        data = data.float()  # numpy has no bfloat16
    return data.numpy()


def validated(estimator, X, y="no_validation", *, float64_by="dtype='float64'", **options):
    """scikit-learn's `validate_data`, with errors that name the column and the remedy.

    Parameters
    ----------
    estimator : estimator
    X : array-like, DataFrame, sparse matrix or torch tensor
    y : array-like, optional
    float64_by : str or None
        What a user sets to have rows in float64.
    **options
        Of `validate_data`.
    """
    X, y = as_numpy(X), as_numpy(y)
    _refuse_texts(X)
    _refuse_columns(X, type(estimator).__name__)
    try:
        with np.errstate(over="ignore"):  # what does not fit the precision is refused below
            return validate_data(estimator, X, y, **options)
    except (TypeError, ValueError) as error:
        dtype = options.get("dtype")
        precision = np.dtype(dtype) if isinstance(dtype, type) else np.dtype(np.float64)
        text = _explained(str(error), X, type(estimator).__name__, precision, float64_by)
        text = text or _explained_target(str(error), y)
        if text is None:
            raise
        raise ValueError(text) from None


def table_to_predict(estimator, X):
    """Rows that a fitted estimator is to predict, validated: an array or a CSR matrix.

    They stay in their own precision and order, as they are made float64 a part at a time. A table that
    scikit-learn's validation would hand back as it is, is not sent there: for one row the way there and back
    takes longer than the net.
    """
    if _is_fit_to_predict(estimator, X):
        return X
    return validated(estimator, X, reset=False, accept_sparse="csr", dtype=PREDICTED_DTYPES)


def _is_fit_to_predict(estimator, X):
    """Whether a table is an array of finite floats with the columns of training, which had no names."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in PREDICTED_DTYPES:
        return False
    n, d = X.shape
    if n == 0 or d != estimator.n_features_in_ or hasattr(estimator, "feature_names_in_"):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(X.sum())  # a sum is finite only if all that is added is


def of_validation_rows(error):
    """The error in the words of validation rows: X_val, y_val and sample_weight_val."""
    # Columns may be called X or y as well; their names stand in quotes.
    text = re.sub(r"(?<!['\"])\b(X|y|sample_weight)\b(?!['\"])", r"\1_val", str(error))
    if text == str(error):
        text = f"X_val and y_val: {text}"
    return type(error)(text)


def column_name(X, j):
    """How a message names column j: by its name, or by its number from 0."""
    names = getattr(X, "columns", None) if hasattr(X, "columns") else None
    if names is None:
        return f"column {j}"
    names = getattr(X, "column_names", names)  # of a pyarrow table
    return f"column {names[j]!r}"


# -- types of columns ------------------------------------------------------------------------------


def _refuse_texts(X):
    """Refuse what is no table at all: the name of a file, or a sequence of texts."""
    if isinstance(X, str | bytes | os.PathLike):
        raise ValueError(
            f"X is {str(X)!r}, not a table of rows and columns. If this names a file, read it first, for "
            "example by pandas.read_csv, and pass its feature columns."
        )
    series = hasattr(X, "to_numpy") and not hasattr(X, "columns")
    flat = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1)
    if not (flat or series) or not len(X):
        return
    first = X.iloc[0] if hasattr(X, "iloc") else X[0]
    if isinstance(first, str):
        raise ValueError(
            f"X is a sequence of texts, such as {str(first)!r}, not a table of rows and columns. Turn "
            "texts into numbers first, for example by sklearn.feature_extraction.text.TfidfVectorizer."
        )


def _refuse_columns(X, estimator):
    """Refuse categories and dates, which are told by the type of a column."""
    types = _column_types(X)
    if not types:
        return
    refused = {t: kind for t in set(types) if (kind := _kind_of(t)) is not None}
    found = [j for j, t in enumerate(types) if t in refused]
    if found:
        j = found[0]
        raise ValueError(_refusal(X, j, refused[types[j]], _first_value(X, j), found, estimator))


def _column_types(X):
    """Names of the types of the columns, in lower case; empty for what has no columns."""
    if isinstance(X, np.ndarray):
        return [X.dtype.name] * (X.shape[1] if X.ndim == 2 else 0) if X.dtype.kind in "mM" else []
    if hasattr(X, "schema") and hasattr(X.schema, "types"):  # pyarrow
        return [str(t).lower() for t in X.schema.types]
    dtypes = getattr(X, "dtypes", None)  # pandas and polars
    if dtypes is None or not hasattr(X, "columns"):
        return []
    known = {}
    return [known[t] if t in known else known.setdefault(t, str(t).lower()) for t in dtypes]


def _kind_of(name):
    for kind, beginnings in _REFUSED.items():
        if name.startswith(beginnings):
            return kind
    return None


def _first_value(X, j):
    """A value of column j that is not missing, if there is one."""
    for value in _column(X, j):
        if value is not None and value == value and not _is_missing(value):
            return value
    return None


def _refusal(X, j, kind, value, found, estimator):
    where = column_name(X, j)
    others = f" (and {_more(len(found) - 1)} of such types)" if len(found) > 1 else ""
    example = "" if value is None else f", such as {_shown(value)}"
    text = (
        f"{where[0].upper()}{where[1:]} of X holds {kind}{example}{others}; {estimator} takes "
        f"numbers only. {_ENCODE}"
    )
    if kind == "categories":
        text += " If its categories are numbers that mean quantities, use .astype(float)."
    elif kind == "dates":
        text += " Or take numbers out of the dates, such as the year and the month."
    return text


def _shown(value):
    text = repr(str(value)) if not isinstance(value, int | float | np.number) else str(value)
    return text if len(text) <= 60 else text[:56] + "...'"


# -- values ----------------------------------------------------------------------------------------


def _explained(message, X, estimator, precision, float64_by):
    """A better text for an error of scikit-learn's validation; None where there is none."""
    if isinstance(X, list | tuple):
        X = np.asarray(X, dtype=object)
    if _n_dimensions(X) != 2:
        return None
    if "Input X contains" in message:
        return _not_finite(X, estimator, precision, float64_by)
    if any(part in message for part in _NO_NUMBER) and not sp.issparse(X):
        return _no_numbers(X, estimator)
    return None


def _explained_target(message, y):
    """The same of targets."""
    if "inhomogeneous shape" in message and isinstance(y, list | tuple):
        return (
            "y holds lists of different lengths. If they are the labels of each row, turn them into a "
            "matrix by sklearn.preprocessing.MultiLabelBinarizer."
        )
    if "could not convert string to float" in message:
        return f"{message}. {TEXT_FOR_NUMBERS}"
    return None


def _not_finite(X, estimator, precision, float64_by):
    """Where X has values that are missing, infinite or too large."""
    largest = np.finfo(precision).max
    missing, infinite, large = [], [], []
    for j, values in _columns_as_numbers(X):
        size = np.abs(values)
        for found, bad in (
            (missing, np.isnan(values)),
            (infinite, np.isinf(values)),
            (large, np.isfinite(values) & (size > largest)),
        ):
            if bad.any():
                first = int(np.flatnonzero(bad)[0])
                found.append((j, int(np.count_nonzero(bad)), first, float(values[first])))
    if missing:
        text = f"Input X contains NaN: {_places(X, missing, 'missing values')}"
        return f"{text} {estimator} does not accept missing values: {_IMPUTE}"
    if infinite:
        text = f"Input X contains infinity: {_places(X, infinite, 'infinite values')}"
        return (
            f"{text} Look where they come from (a division by zero or the logarithm of zero, for "
            "example), and replace them by finite numbers or leave those rows out."
        )
    if large:
        value = f"{large[0][3]:g}"
        text = f"Input X contains values too large for dtype={precision.name!r}, beyond {largest:.2g}: "
        text += _places(X, large, "such values", value)
        switch = "" if precision == np.float64 or float64_by is None else f", or set {float64_by}"
        return (
            f"{text} Put sklearn.preprocessing.StandardScaler or QuantileTransformer in front of "
            f"this estimator{switch}."
        )
    return None


def _places(X, found, what, example=None):
    """Which column has how many, and where the first one is."""
    j, count, first, _ = found[0]
    shown = "" if example is None else f", such as {example}"
    text = f"{column_name(X, j)} has {count} {what}{shown} (the first in row {first})"
    if len(found) > 1:
        text += f", and {_more(len(found) - 1)} with some"
    return text + "."


def _more(count):
    return f"{count} more column{'' if count == 1 else 's'}"


def _no_numbers(X, estimator):
    """Which column has a value that is no number, where it is text, a date or missing."""
    missing, found, first = [], [], None
    for j in range(_n_columns(X)):
        values = list(_column(X, j))
        gaps = [i for i, value in enumerate(values) if _is_missing(value)]
        if gaps:
            missing.append((j, len(gaps), gaps[0], np.nan))
        odd = next((v for v in values if not _is_missing(v) and not _is_number(v)), None)
        if odd is not None:
            kind = _kind_of_value(odd)
            if kind is None:
                return None
            found.append(j)
            first = first or (j, kind, odd)
    if first is not None:
        return _refusal(X, *first, found, estimator)
    if missing:
        text = f"Input X contains NaN: {_places(X, missing, 'missing values')}"
        return f"{text} {estimator} does not accept missing values: {_IMPUTE}"
    return None


def _kind_of_value(value):
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, datetime.timedelta | datetime.time | np.timedelta64):
        return "times"
    if isinstance(value, datetime.date | np.datetime64) or hasattr(value, "to_timestamp"):
        return "dates"
    return None


def _is_missing(value):
    # pandas' NA and NaT, without importing pandas: neither is equal to itself in a way numpy knows.
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and value != value)
    )


def _is_number(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _n_dimensions(X):
    return len(getattr(X, "shape", None) or np.shape(X))


def _n_columns(X):
    return X.shape[1]


def _column(X, j):
    """Values of one column."""
    if hasattr(X, "iloc"):
        return X.iloc[:, j]
    if hasattr(X, "column_names"):  # pyarrow
        return X.column(j).to_pylist()
    if hasattr(X, "columns") and hasattr(X, "schema"):  # polars
        return X[:, j].to_list()
    return (X if isinstance(X, np.ndarray) else np.asarray(X, dtype=object))[:, j]


def _columns_as_numbers(X):
    """Number and float64 values of each column; of a sparse table, columns with odd values alone."""
    if sp.issparse(X):
        X = X.tocoo()
        # Beyond the range of float32 or not finite, which no comparison with NaN says.
        odd = ~(np.abs(X.data) <= np.finfo(np.float32).max)
        for j in np.unique(X.col[odd]):
            values = np.zeros(X.shape[0])
            of_column = X.col == j
            values[X.row[of_column]] = X.data[of_column]
            yield int(j), values
        return
    for j in range(_n_columns(X)):
        yield j, _as_numbers(_column(X, j))


def _as_numbers(column):
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        values = [np.nan if _is_missing(v) else float(v) for v in column]
        return np.asarray(values, dtype=np.float64)
