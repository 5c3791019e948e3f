"""Tables as they come in: what is taken, and errors that name the column, a value and the remedy.

scikit-learn decides whether a table is valid. Only where it says no, the table is looked at column by
column to find out where and why, so that a good table costs nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import re

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import validate_data

#: What to do about columns that hold no numbers.
_ENCODE = {
    "dates": "Take numbers out of them first, such as the year and the month, or put "
    "skrub.TableVectorizer, which does that, in front of this estimator.",
    "times": "Turn them into numbers first, for example by .dt.total_seconds().",
    "text": "Name the column in categorical_features, or pass a DataFrame with "
    "categorical_features='from_dtype'; of long texts make numbers first, for example by "
    "skrub.TableVectorizer.",
    "categories": "Name the column in categorical_features, or set it to 'from_dtype'. If its categories "
    "are numbers that mean quantities, use .astype(float).",
    "lists": "Give each entry a column of its own first, for example by pandas.json_normalize.",
    "objects": "Make numbers or texts of them first.",
}

#: The same of estimators that have no parameter ``categorical_features``.
_ENCODE_IN_FRONT = {
    kind: "Encode the column first, for example by sklearn.preprocessing.OneHotEncoder or "
    "skrub.TableVectorizer in a Pipeline."
    for kind in ("text", "categories")
}

#: The same of columns that held numbers in training.
_AS_IN_TRAINING = (
    "In training it held numbers. Read and prepare new rows as those of training were."
)

_IMPUTE = (
    "put sklearn.impute.SimpleImputer(strategy='constant', fill_value=0) in front of this estimator, or "
    "pass X dense: gaps in dense tables are taken."
)

#: Beginnings of the names of column types that stand for dates, spans of time and categories, in
#: pandas, polars and pyarrow. scikit-learn takes some of them for numbers without a word.
_REFUSED = {
    "dates": ("datetime", "date", "timestamp", "period"),
    "times": ("timedelta", "duration", "time"),
    "categories": ("category", "categorical", "enum", "dictionary", "interval"),
    "lists": ("list", "large_list", "fixed_size_list", "struct", "map", "array"),
}


#: What Python, numpy and pandas say of values that are no numbers.
_NO_NUMBER = (
    *("could not convert", "must be a string or a", "NAType", "NaTType"),
    "setting an array element with a sequence",
)


def as_numpy(data):
    """A torch tensor as an array, and a masked one with gaps for what is masked; all else as it is."""
    if isinstance(data, np.ma.MaskedArray):
        return _unmasked(data)
    if type(data).__module__.partition(".")[0] != "torch" or not hasattr(data, "detach"):
        return data
    data = data.detach().cpu()
    if str(data.layout) != "torch.strided":
        data = data.to_dense()
    if data.is_floating_point() and data.dtype.itemsize < 4:
        data = data.float()  # numpy has no bfloat16
    return data.numpy()


def _unmasked(data):
    mask, values = np.ma.getmaskarray(data), np.ma.getdata(data)
    if not mask.any():
        return values
    numbers = values.dtype.kind in "biuf"
    values = values.astype(np.result_type(values, np.float32) if numbers else object)
    values[mask] = np.nan if numbers else None
    return values


def validated(estimator, X, y="no_validation", **options):
    """scikit-learn's `validate_data`, with errors that name the column and the remedy.

    Parameters
    ----------
    estimator : estimator
    X : array-like, DataFrame or sparse matrix
    y : array-like, optional
    **options
        Of `validate_data`.
    """
    fitted = not options.get("reset", True)
    if sp.issparse(X):
        options["ensure_all_finite"] = True  # what is not stored is zero, and no gap
    # scikit-learn adds all numbers up to see whether they are finite, and the largest ones are not together.
    with explaining(estimator, X, y, fitted=fitted), np.errstate(invalid="ignore"):
        try:
            return validate_data(estimator, X, y, **options)
        except (TypeError, ValueError) as error:
            if options.get("ensure_all_finite") != "allow-nan" or not _no_number(error):
                raise
            whole = gaps_as_nan(X)
            if whole is None:
                raise
        return validate_data(estimator, whole, y, **options)


@contextlib.contextmanager
def explaining(estimator, X, y, *, fitted=False):
    """Errors of scikit-learn's validation inside name the column and the remedy.

    Parameters
    ----------
    estimator : estimator
    X, y : the table and its targets
    fitted : bool
        Whether the columns are known from training.
    """
    _refuse_columns(X, estimator, fitted)
    try:
        yield
    except (TypeError, ValueError) as error:
        text = _explained(str(error), X, estimator, fitted)
        text = text or _explained_target(str(error), y)
        if text is None:
            raise
        # Where numpy's own words are kept, so is the kind of its error.
        raise (type(error) if str(error) in text else ValueError)(text) from None


def gaps_as_nan(X):
    """The table with NaN for every other kind of missing value; None where it holds what is no number."""
    try:
        if hasattr(X, "isetitem"):
            X = X.copy(deep=False)
            for j, kind in enumerate(X.dtypes):
                if kind.kind == "O":
                    X.isetitem(j, _as_numbers(X.iloc[:, j]))
            return X
        return _as_numbers(X) if np.ndim(X) == 1 else np.array([_as_numbers(row) for row in X])
    except (TypeError, ValueError):
        return None


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


def _refuse_columns(X, estimator, fitted):
    """Refuse categories and dates, which are told by the type of a column."""
    types = types_of_columns(X)
    if not types:
        return
    refused = {t: kind for t in set(types) if (kind := _kind_of(t)) is not None}
    found = [j for j, t in enumerate(types) if t in refused]
    if found:
        j = found[0]
        example = refused[types[j]], _first_value(X, j)
        raise ValueError(_refusal(X, j, *example, found, estimator, fitted))


def types_of_columns(X):
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
    for value in column_of(X, j):
        if value is not None and value == value and not is_missing(value):
            return value
    return None


def _refusal(X, j, kind, value, found, estimator, fitted):
    where = column_name(X, j)
    others = f" (and {_more(len(found) - 1)} of such types)" if len(found) > 1 else ""
    example = "" if value is None else f", such as {shown(value)}"
    encode = _ENCODE
    if not getattr(estimator, "_takes_categories", True):
        encode = _ENCODE | _ENCODE_IN_FRONT
    return (
        f"{where[0].upper()}{where[1:]} of X holds {kind}{example}{others}; {type(estimator).__name__} takes "
        f"numbers here. {_AS_IN_TRAINING if fitted else encode[kind]}"
    )


def shown(value):
    """A value as a message shows it."""
    text = repr(str(value)) if not isinstance(value, int | float | np.number) else str(value)
    return text if len(text) <= 60 else text[:56] + "...'"


# -- values ----------------------------------------------------------------------------------------


def _no_number(error):
    """Whether an error of scikit-learn's validation is about a value that is no number."""
    return any(part in str(error) for part in _NO_NUMBER)


def _explained(message, X, estimator, fitted):
    """A better text for an error of scikit-learn's validation; None where there is none."""
    if isinstance(X, list | tuple):
        X = np.asarray(X, dtype=object)
    if _n_dimensions(X) != 2:
        return None
    if "Input X contains" in message:
        return _not_finite(X, type(estimator).__name__, "Input X contains NaN" in message)
    if "Complex data not supported" in message:
        return _complex(X)
    if _no_number(message) and not sp.issparse(X):
        return _no_numbers(X, estimator, fitted, message)
    return None


def _complex(X):
    """Which column has complex numbers."""
    j = next((j for j in range(X.shape[1]) if np.iscomplexobj(column_of(X, j))), 0)
    return (
        f"Complex data not supported: {column_name(X, j)} of X holds complex numbers. Pass real numbers, "
        "such as their real and imaginary parts in columns of their own."
    )


def _explained_target(message, y):
    """The same of targets."""
    if "inhomogeneous shape" in message and isinstance(y, list | tuple):
        return (
            "y holds lists of different lengths. If they are the labels of each row, turn them into a "
            "matrix by sklearn.preprocessing.MultiLabelBinarizer."
        )
    if "could not convert string to float" in message:
        return text_for_numbers(y)
    if "Input y contains" in message:
        values = np.asarray(y, dtype=np.float64)
        if "NaN" in message:
            return missing_text(np.isnan(values))
        row = np.flatnonzero(np.isinf(values).reshape(len(values), -1).any(axis=1))
        if len(row):
            return f"{message} The first is in row {row[0]}. Correct such targets, or leave their rows out."
    return None


def missing_text(bad):
    """What is said of missing targets.

    Parameters
    ----------
    bad : ndarray of bool, shape (n,) or (n, n_targets)
    """
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    return (
        f"Input y contains NaN: {len(rows)} of {len(bad)} rows {'has' if len(rows) == 1 else 'have'} no "
        f"target (the first is row {rows[0]}). Leave such rows out of X and y."
    )


def text_for_numbers(y):
    """What is said of targets of a regressor that are text."""
    values = np.asarray(y, dtype=object).ravel()
    texts = [i for i, value in enumerate(values) if not _is_number(value)]
    text = f"could not convert string to float: {shown(values[texts[0]])}. y holds text"
    if len(texts) < 0.5 * len(values):
        return (
            f"{text} in {len(texts)} of {len(values)} rows (the first is row {texts[0]}). Correct them, or "
            "leave their rows out of X and y."
        )
    return f"{text}: a regressor needs numbers, labels are for a classifier."


def _not_finite(X, estimator, gaps):
    """Where X has values that are missing, if those are what is wrong, or infinite."""
    missing, infinite = [], []
    for j, values in _columns_as_numbers(X):
        for found, bad in ((missing, np.isnan(values)), (infinite, np.isinf(values))):
            if bad.any():
                found.append((j, int(np.count_nonzero(bad)), int(np.flatnonzero(bad)[0])))
    if missing and (gaps or sp.issparse(X)):
        text = f"Input X contains NaN: {_places(X, missing, 'missing values')} {estimator} does not accept"
        if sp.issparse(X):
            return f"{text} missing values in sparse tables: {_IMPUTE}"
        return (
            f"{text} missing values: put sklearn.impute.SimpleImputer in front of it, or leave those rows "
            "out."
        )
    if infinite:
        text = f"Input X contains infinity: {_places(X, infinite, 'infinite values')}"
        return (
            f"{text} Look where they come from (a division by zero or the logarithm of zero, for "
            "example), and replace them by finite numbers or leave those rows out."
        )
    return None


def _places(X, found, what):
    """Which column has how many, and where the first one is."""
    j, count, first = found[0]
    text = f"{column_name(X, j)} has {count} {what} (the first in row {first})"
    if len(found) > 1:
        text += f", and {_more(len(found) - 1)} with some"
    return text + "."


def _more(count):
    return f"{count} more column{'' if count == 1 else 's'}"


def _no_numbers(X, estimator, fitted, message):
    """Which column has a value that is no number, where it is text or a date."""
    found, first = [], None
    for j in range(X.shape[1]):
        odd = next((v for v in column_of(X, j) if not is_missing(v) and not _is_number(v)), None)
        if odd is not None:
            found.append(j)
            first = first or (j, _kind_of_value(odd), odd)
    if first is None:
        return None
    text = _refusal(X, *first, found, estimator, fitted)
    return f"{text} ({message})" if first[1] in ("lists", "objects") else text


def _kind_of_value(value):
    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, datetime.timedelta | datetime.time | np.timedelta64):
        return "times"
    if isinstance(value, datetime.date | np.datetime64) or hasattr(value, "to_timestamp"):
        return "dates"
    return "lists" if isinstance(value, list | tuple | dict | set | np.ndarray) else "objects"


def is_missing(value):
    """Whether a value stands for a gap."""
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


def column_of(X, j):
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
    for j in range(X.shape[1]):
        yield j, _as_numbers(column_of(X, j))


def _as_numbers(column):
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        values = [np.nan if is_missing(v) else float(v) for v in column]
        return np.asarray(values, dtype=np.float64)
