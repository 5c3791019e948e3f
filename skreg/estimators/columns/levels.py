"""Which columns of a table hold categories, and the numbers of their levels."""

from __future__ import annotations

from collections.abc import Hashable
from numbers import Integral

import numpy as np
import pandas as pd

from skreg.estimators.rows import warn
from skreg.estimators.tables import column_name, column_of, shown, types_of_columns

#: Beginnings of the names of column types that hold categories whatever their values are, and of those
#: that do where a value is text, in pandas, polars and pyarrow.
_CATEGORIES = ("category", "categorical", "enum", "dictionary", "interval")
_TEXTS = ("str", "string", "utf8", "large_string", "binary", "large_binary")

#: What pandas finds in columns of Python objects, of which some values are text.
_WITH_TEXT = ("string", "mixed", "mixed-integer", "bytes")

#: Text columns whose values all read as numbers are warned of from so many distinct values on.
_MANY_NUMBERS = 20

#: Numbers of what is no level.
UNKNOWN = -1.0


def categorical_columns(X, choice):
    """Numbers of the columns that hold categories, ascending.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
    choice : "from_dtype", array-like or None
        ``categorical_features`` of the estimators.

    Raises
    ------
    ValueError
        For a choice that does not fit the table.
    """
    if choice is None:
        return []
    if isinstance(choice, str):
        return _from_types(X)
    d, names = X.shape[1], list(map(str, getattr(X, "columns", ())))
    if hasattr(X, "column_names"):  # pyarrow
        names = list(X.column_names)
    chosen = np.asarray(choice)
    if chosen.ndim == 1 and not chosen.size:
        return []
    if chosen.ndim != 1 or chosen.dtype.kind not in "biuOUS":
        raise ValueError(
            f"categorical_features={choice!r} must be 'from_dtype', None, or a list of column numbers, of "
            "column names, or of one boolean for each column."
        )
    if chosen.dtype.kind == "b":
        if len(chosen) != d:
            raise ValueError(
                f"categorical_features is a mask of {len(chosen)} booleans, but X has {d} columns. Give "
                "one for each column."
            )
        return np.flatnonzero(chosen).tolist()
    called = "categorical_features"
    return sorted({number_of_column(name, names, d, called) for name in chosen.tolist()})


def number_of_column(name, names, d, called):
    """The number of a column by its name or number.

    Parameters
    ----------
    name : int or str
    names : list of str
        Of the columns; empty where they have none.
    d : int
    called : str
        Name of the parameter, for errors.
    """
    if isinstance(name, Integral):
        if not 0 <= name < d:
            raise ValueError(
                f"{called} has the column number {name}, but X has {d} columns, numbered from 0."
            )
        return int(name)
    if name not in names:
        known = f"its columns are {', '.join(map(repr, names[:10]))}" if names else "has no names"
        raise ValueError(
            f"{called} names the column {name!r}, which X does not have: "
            f"{known if names else 'X ' + known}. Name columns of X, or give their numbers."
        )
    return names.index(name)


def _from_types(X):
    """Columns that hold categories by their types: categories, and text."""
    if isinstance(X, np.ndarray):
        return [j for j in range(X.shape[1]) if _holds_text(X[:, j])] if X.dtype == object else []
    return [
        j
        for j, kind in enumerate(types_of_columns(X))
        if (kind.startswith((*_CATEGORIES, *_TEXTS)) and not kind.startswith("struct"))
        or (kind.startswith("object") and _holds_text(column_of(X, j)))
    ]


def _holds_text(values):
    """Whether Python objects are text, or a mixture of text, numbers and booleans."""
    if pd.api.types.infer_dtype(values, skipna=True) not in _WITH_TEXT:
        return False
    kinds = set(map(type, values))
    plain = (str, bytes, bool, int, float, np.generic, type(None), type(pd.NA))
    return any(issubclass(k, str | bytes) for k in kinds) and all(
        issubclass(k, plain) for k in kinds
    )


def factorised(X, j):
    """Number of each value of a column among its distinct values, -1 for missing, and these values."""
    column = column_of(X, j)
    if isinstance(getattr(column, "dtype", None), pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), list(column.cat.categories)
    if not isinstance(column, pd.Series | np.ndarray):
        values = np.empty(len(column), dtype=object)
        values[:] = column
        column = values
    try:
        codes, found = pd.factorize(column)
    except TypeError:
        odd = next(v for v in column if not isinstance(v, Hashable))
        raise TypeError(
            f"C{column_name(X, j)[1:]} of X is categorical and holds {odd!r:.60}, which is no single value. "
            "Give each entry a column of its own first, for example by pandas.json_normalize."
        ) from None
    return codes, list(found)


class Levels:
    """The levels of a categorical column.

    Parameters
    ----------
    values : list
        In the order of their numbers.
    """

    def __init__(self, values):
        self.values = values
        self._numbers = {value: i for i, value in enumerate(values)}

    @classmethod
    def learned(cls, X, j):
        """Those of a column, and the numbers of its rows."""
        codes, found = factorised(X, j)
        _warn_of_numbers(X, j, found)
        present = np.zeros(len(found) + 1, dtype=bool)
        present[codes] = True
        kept = [i for i in np.flatnonzero(present[:-1])]
        kept.sort(key=lambda i: _order(found[i]))
        levels = cls([found[i] for i in kept])
        return levels, levels._numbered(codes, found)

    def of(self, X, j):
        """Numbers of the levels of a column's rows, float64: NaN where missing, -1 where unknown."""
        codes, found = factorised(X, j)
        self._warn_of_other_kinds(X, j, [found[i] for i in np.unique(codes[codes >= 0])])
        return self._numbered(codes, found)

    def _warn_of_other_kinds(self, X, j, values):
        """Warn where no value is known because training had texts and these are numbers, or the reverse."""
        if not values or not self.values or any(value in self._numbers for value in values):
            return
        then, now = ({isinstance(v, str) for v in some} for some in (self.values, values))
        if then & now:
            return  # new levels
        where = column_name(X, j)
        warn(
            f"No value of {where} of X is known from training: it holds {shown(values[0])} here, and "
            f"held {shown(self.values[0])} in training. All of them count as unknown. Read new rows with the "
            "types that the rows of training had, for example by .astype(str).",
            UserWarning,
        )

    def _numbered(self, codes, found):
        numbers = [self._numbers.get(value, UNKNOWN) for value in found]
        return np.array([*numbers, np.nan], dtype=np.float64)[codes]


def _order(value):
    """Levels are in the order of numbers or of the alphabet, whatever the order of the rows."""
    number = isinstance(value, int | float | np.number)
    return (not number, float(value) if number else 0.0, type(value).__name__, str(value))


def _warn_of_numbers(X, j, values):
    """Warn of a text column that holds numbers, and so many that they mean quantities."""
    if len(values) <= _MANY_NUMBERS or not isinstance(values[0], str):
        return
    try:
        np.asarray(values).astype(np.float64)
    except ValueError:
        return
    where = column_name(X, j)
    warn(
        f"{where[0].upper()}{where[1:]} of X holds text such as {values[0]!r} and is taken for categories, "
        f"of which it has {len(values)}, but each of them reads as a number. If they mean quantities, use "
        ".astype(float).",
        UserWarning,
    )
