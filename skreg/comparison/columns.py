"""Columns that say nothing of the target: empty, constant, repeated, counting or naming the rows."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from skreg.comparison.wording import joined

__all__ = ["empty_columns", "left_out", "looks_like_dates", "without_idle_columns"]

# names of columns that identify a row, and names that may count something else
_ROW_ID = re.compile(
    r"unnamed: \d+( level \d+)?|column 1|index|idx|ids?|rows?|row ?(id|nr|no|num|number|index|names?)|"
    r"(record|case|serial|obs|sample) ?(id|no|number)|.+ id|__index_level_\d+__",
    re.IGNORECASE,
)
_ROW_NUMBER = re.compile(
    r"nr|no|num|number|nummer|#|n\u00ba|n\u00b0|lfd ?(nr)?|(s|sl|sr) ?no|serial|seq|sequence|record|case|obs|"
    r"observation|entry|key|participant|subject|patient|sample|person|\w*id|(?-i:X1?)|1",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    re.IGNORECASE,
)
MAX_ID_LENGTH, MAX_LENGTH_SPREAD = 36, 4
# below this many rows that differ, being different says little
MIN_ROWS = 20
SHOWN = 5


def empty_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the columns without any value."""
    return [str(name) for name in frame.columns[frame.isna().all()]]


def without_idle_columns(X: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out columns from which nothing can be learned, and say so.

    Parameters
    ----------
    X : DataFrame of shape (n_rows, n_columns)
        Features, numbers as numbers.

    Returns
    -------
    X : DataFrame
        What is left.
    notes : list of str
        One line a reason.

    Notes
    -----
    Left out are empty and constant columns, columns that repeat an earlier one, columns named like
    a row number ("id", "index", "Unnamed: 0") whose whole numbers or texts are different in every
    row, and texts that look like identifiers: different in every row, without blanks, of about one
    length. A column of another name that counts the rows is kept and named, since it may be time.
    """
    notes = []
    X, flags = _gaps_as_values(X)
    if flags:
        notes.append(
            f"{_listed(flags)}: one value and gaps; a gap was taken for a value of its own."
        )
    for names, reason in (
        (empty_columns(X), "empty"),
        ([name for name in X if X[name].nunique(dropna=False) == 1], "the same value in every row"),
        (
            [name for name in X if _numbers_rows(X[name], str(name))],
            "a number or name for each row",
        ),
        ([name for name in X if _identifies(X[name])], "a text that is different in every row"),
    ):
        gone = [str(name) for name in names if name in X]
        if gone:
            X = X.drop(columns=gone)
            notes.append(left_out(gone, reason))
    repeats = _repeats(X)
    for first, names in repeats.items():
        X = X.drop(columns=names)
        notes.append(left_out(names, f"the same values as {first}"))
    for name in X:
        if _counts_in_order(X[name]):
            notes.append(
                f"{name} counts the rows in their order. If it is no more than their number, leave it out "
                f"(--drop {_quoted(str(name))})."
            )
    return X, notes


def _listed(names: list[str]) -> str:
    if len(names) <= SHOWN:
        return joined(names)
    return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"


def left_out(names: list[str], reason: str) -> str:
    """The line on columns that were left out."""
    return f"{_listed(names)} {'was' if len(names) == 1 else 'were'} left out: {reason}."


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w.]+", name) else f"'{name}'"


def _is_text(column: pd.Series) -> bool:
    return column.dtype == object or str(column.dtype) in ("str", "string", "category")


def _gaps_as_values(X: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Make "x" or nothing a column of two values, as where people tick rows."""
    flags = [name for name in X if X[name].isna().any() and X[name].nunique() == 1]
    if not flags:
        return X, []
    return X.assign(**{str(name): X[name].notna() for name in flags}), [str(n) for n in flags]


def _differs_everywhere(column: pd.Series) -> bool:
    return len(column) >= MIN_ROWS and column.notna().all() and column.is_unique


def _numbers_rows(column: pd.Series, name: str) -> bool:
    plain = re.sub(r"[_\-.\s]+", " ", name).strip() if not name.startswith("__") else name
    # "customerId" is "customer id"
    plain = re.sub(r"(?<=[a-z])(I[dD])$", r" id", plain)
    identifies = _ROW_ID.fullmatch(plain) is not None
    if not (identifies or _ROW_NUMBER.fullmatch(plain)) or not _differs_everywhere(column):
        return False
    if _is_text(column):
        return identifies and not looks_like_dates(column)
    if column.dtype.kind not in "iuf" or not np.all(column == np.round(column)):
        return False
    # some rows may have been left out already
    return identifies or bool(column.max() - column.min() < 1.2 * len(column))


def _counts_in_order(column: pd.Series) -> bool:
    if column.dtype.kind not in "iu" or not _differs_everywhere(column):
        return False
    values = column.to_numpy()
    return bool(values[0] in (0, 1) and np.all(np.diff(values) == 1))


def looks_like_dates(column: pd.Series) -> bool:
    """Whether most cells of a column of text hold a date or a time."""
    return bool(column.head(50).astype(str).str.contains(_DATE).mean() > 0.5)


def _identifies(column: pd.Series) -> bool:
    if not _is_text(column) or not _differs_everywhere(column) or looks_like_dates(column):
        return False
    cells = column.astype(str)
    if cells.str.contains(r"\s", regex=True).any():
        return False
    lengths = cells.str.len()
    if (cells.str.count("@") == 1).all():
        return True
    has_digits = cells.str.contains(r"\d", regex=True).mean() > 0.5
    return bool(
        has_digits
        and lengths.max() <= MAX_ID_LENGTH
        and lengths.max() - lengths.min() <= MAX_LENGTH_SPREAD
    )


def _repeats(X: pd.DataFrame) -> dict[str, list[str]]:
    """Columns by the earlier one whose values they repeat."""
    first: dict[int, list[str]] = {}
    repeats: dict[str, list[str]] = {}
    for name in X:
        key = int(pd.util.hash_pandas_object(X[name], index=False).sum())
        same = next((n for n in first.get(key, []) if _same(X[n], X[name])), None)
        if same is None:
            first.setdefault(key, []).append(str(name))
        else:
            repeats.setdefault(same, []).append(str(name))
    return repeats


def _same(one: pd.Series, other: pd.Series) -> bool:
    return one.dtype == other.dtype and one.reset_index(drop=True).equals(
        other.reset_index(drop=True)
    )
