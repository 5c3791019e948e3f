"""The columns of a model: what each of them is, and how a new table is read by that."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from skreg.comparison.cleaning import (
    clean_features,
    file_decimal,
    folded,
    is_text,
    stripped,
    without_words,
)
from skreg.comparison.columns import left_out, looks_like_dates
from skreg.comparison.numbers import read_known_numbers, unit_of, usual_missing
from skreg.comparison.preparing import LARGEST, is_free_text
from skreg.comparison.reading import TableError, read_table
from skreg.comparison.tables import Table, with_grouped
from skreg.comparison.wording import counted, joined
from skreg.fitting.dates import date_parts, find_format

__all__ = ["Column", "NewRows", "learn_columns", "read_rows"]

SHOWN = 5


@dataclass(frozen=True)
class Column:
    """A column of the table that a model was fitted on.

    Attributes
    ----------
    name : str
    kind : {"number", "truth", "tick", "category", "date"}
        A truth is true or false; a tick is there or not.
    levels : list of str
        Of a category.
    form : str
        How dates are written.
    parts : list of str
        Columns that are made of a date.
    unit : str
        What most numbers have behind them, such as "%" or "kg".
    """

    name: str
    kind: str
    levels: list[str] = field(default_factory=list)
    form: str = ""
    parts: list[str] = field(default_factory=list)
    unit: str = ""

    @property
    def made(self) -> list[str]:
        """Names of the columns that the estimator is given of it."""
        return self.parts or [self.name]


def learn_columns(table: Table) -> tuple[pd.DataFrame, list[Column], list[str]]:
    """Find out what the columns are, and leave out those that a net takes nothing from.

    Parameters
    ----------
    table : Table
        Cleaned.

    Returns
    -------
    X : DataFrame
        Numbers, booleans and categories.
    columns : list of Column
    notes : list of str

    Raises
    ------
    TableError
        If no column is left.
    """
    parts, columns, notes = [], [], []
    texts, odd = [], []
    for name in map(str, table.X.columns):
        cells = table.X[name]
        if cells.dtype == bool:
            columns.append(Column(name, "tick" if name in table.ticked else "truth"))
            parts.append(cells)
        elif cells.dtype.kind in "iuf":
            columns.append(Column(name, "number", unit=table.units.get(name, "")))
            parts.append(cells)
        elif _is_date(cells):
            made, column = _learn_dates(cells, name, notes)
            if column is not None:
                columns.append(column)
                parts.append(made)
        elif cells.dtype.kind in "mcV":
            odd.append(name)
        elif is_free_text(cells):
            texts.append(name)
        else:
            cells = cells.astype(object).map(str, na_action="ignore")
            columns.append(Column(name, "category", sorted(cells.dropna().unique().tolist())))
            parts.append(cells)
    if texts:
        reason = (
            "free text, which is no category (turn it into numbers first, with skrub's TextEncoder)"
        )
        notes.append(left_out(texts, reason))
    if odd:
        notes.append(left_out(odd, "neither numbers nor categories"))
    if not columns:
        raise TableError(
            f"No column is left to predict {table.target_name!r} from. {' '.join(notes)}"
        )
    return pd.concat(parts, axis=1), columns, notes


def _is_date(cells: pd.Series) -> bool:
    if cells.dtype.kind == "M" or isinstance(cells.dtype, pd.DatetimeTZDtype):
        return True
    return is_text(cells) and looks_like_dates(cells.dropna())


def _learn_dates(
    cells: pd.Series, name: str, notes: list[str]
) -> tuple[pd.DataFrame | None, Column | None]:
    form, clear = find_format(cells)
    if form is None:
        notes.append(left_out([name], "dates or times in no one format"))
        return None, None
    made = date_parts(cells, name, form)
    made = made.loc[:, made.nunique() > 1]
    if made.shape[1] == 0:
        notes.append(left_out([name], "dates that are all the same"))
        return None, None
    kinds = joined([part.removeprefix(f"{name}: ") for part in made.columns])
    which = (
        "" if clear else f" (as {form}; if days and months have changed places, write YYYY-MM-DD)"
    )
    notes.append(f"{name}: dates or times, read{which} as {kinds}.")
    return made, Column(name, "date", form=form, parts=list(made.columns))


@dataclass
class NewRows:
    """Rows to predict.

    Attributes
    ----------
    X : DataFrame
        As the estimator takes it.
    frame : DataFrame
        The file as it was read.
    notes : list of str
        What was done to the data.
    unknown : list of str
        Columns of the file that the model does not know, and that were left out.
    """

    X: pd.DataFrame
    frame: pd.DataFrame
    notes: list[str]
    unknown: list[str]


def read_rows(
    path: str | Path,
    columns: Sequence[Column],
    *,
    target: str = "",
    missing: Sequence[str] = (),
    decimal: str | None = None,
    usual_decimal: str | None = None,
    encoding: str | None = None,
) -> NewRows:
    """Read a file by the columns of a model: each of its rows, none left out.

    Parameters
    ----------
    path : str or Path
        As of `load_table`.
    columns : sequence of Column
        Found by their names; their order does not matter.
    target : str, default=""
        May be in the file or not.
    missing : sequence of str, default=()
        Words that stand for a missing value.
    decimal : {".", ","} or None, default=None
        The decimal mark; None finds out.
    usual_decimal : {".", ","} or None, default=None
        Where the file does not tell.
    encoding : str or None, default=None

    Returns
    -------
    NewRows

    Raises
    ------
    TableError
        If the file cannot be read, lacks a column, or a column of numbers holds none.
    """
    raw = read_table(Path(path), encoding=encoding)
    notes = list(raw.notes)
    frame = stripped(raw.frame)
    _check_names(frame, columns, raw.repeated, raw.name)
    known = {column.name for column in columns} | {target}
    extra = [str(name) for name in frame.columns if name not in known]
    found, said = without_words(frame[[column.name for column in columns]], missing)
    notes += [note for note in said if "stands in no cell" not in note]
    decimal = decimal or file_decimal(found, raw.semicolons) or usual_decimal
    found = with_grouped(found, raw, decimal)
    numbers, said = _numbers(found, columns, decimal)
    notes += said
    parts = []
    for column in columns:
        cells = found[column.name]
        if column.kind == "number":
            parts.append(numbers[column.name])
        elif column.kind == "category":
            parts.append(_categories(cells, column, notes))
        elif column.kind == "date":
            parts.append(_dates(cells, column, notes))
        elif column.kind == "tick":
            parts.append(cells.notna())
        else:
            parts.append(_truths(cells, column.name))
    return NewRows(pd.concat(parts, axis=1), frame, notes, extra)


def _check_names(
    frame: pd.DataFrame, columns: Sequence[Column], repeated: Sequence[str], file: str
) -> None:
    names = list(map(str, frame.columns))
    gone = [column.name for column in columns if column.name not in names]
    if gone:
        alike = {" ".join(name.casefold().split()): name for name in names}
        close = difflib.get_close_matches(" ".join(gone[0].casefold().split()), list(alike), n=1)
        hint = f" Did {alike[close[0]]!r} mean {gone[0]!r}? Rename it." if close else ""
        shown = ", ".join(map(repr, gone[:SHOWN])) + (", ..." if gone[SHOWN:] else "")
        has = ", ".join(names[:8]) + (", ..." if names[8:] else "")
        raise TableError(
            f"{file} lacks {counted(len(gone), 'column')} of {len(columns)} that the model was fitted on: "
            f"{shown}.{hint} Its columns are {has}. A column whose values are not known may be empty."
        )
    twice = [column.name for column in columns if column.name in repeated]
    if twice:
        raise TableError(
            f"{file} has several columns called {twice[0]!r}, so it is not clear which is meant. Rename all "
            "but one of them."
        )


def _numbers(
    frame: pd.DataFrame, columns: Sequence[Column], decimal: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Columns of numbers, by the same rules as in training; what is no number is missing."""
    names = [column.name for column in columns if column.kind == "number"]
    clean, notes = clean_features(frame[names], decimal)
    units = {column.name: column.unit for column in columns}
    found = {}
    for name in names:
        _check_unit(frame[name], name, units[name])
        cells = clean[name]
        values = read_known_numbers(cells, decimal) if is_text(cells) else cells
        values = pd.Series(values, index=frame.index).astype(float)
        values = values.mask(values.abs() > LARGEST)
        lost = cells[cells.notna() & values.isna()]
        if len(lost) and values.isna().all():
            raise TableError(
                f"Column {name!r} held numbers in training, and here it holds none: its values are such as "
                f"{str(lost.iloc[0])[:40]!r}. Correct the column, or name what stands for a missing value "
                "with --missing."
            )
        if len(lost):
            were = (
                "value is no number and was" if len(lost) == 1 else "values are no numbers and were"
            )
            notes.append(
                f"{name}: {len(lost):,} {were} taken for missing, such as {str(lost.iloc[0])[:40]!r}."
            )
        found[name] = values
    return pd.DataFrame(found, index=frame.index), notes


def _check_unit(cells: pd.Series, name: str, unit: str) -> None:
    """Refuse numbers of another unit than in training: 12 % are 0.12, and a kilogram 1000 g."""
    now = unit_of(cells)
    if cells.isna().all() or now == unit or ("%" not in (now, unit) and "" in (now, unit)):
        return
    was, is_now = (f"with the unit {u!r}" if u else "without a unit" for u in (unit, now))
    raise TableError(
        f"Column {name!r} held numbers {was} in training, and here it holds numbers {is_now}, such as "
        f"{str(cells.dropna().iloc[0])[:40]!r}. Write them as in training."
    )


def _categories(cells: pd.Series, column: Column, notes: list[str]) -> pd.Series:
    """Labels in the spelling of training."""
    if cells.dtype.kind == "f" and (cells.dropna() == cells.dropna().round()).all():
        cells = cells.astype("Int64")
    cells = cells.astype(object).map(str, na_action="ignore")
    cells = cells.mask(usual_missing(cells) & ~cells.isin(column.levels))
    levels, alike = set(column.levels), {}
    for level in column.levels:
        alike.setdefault(folded(level), []).append(level)
    spelled, codes, shortened = {}, _by_number(column.levels), []
    for label in cells.dropna().unique():
        same = alike.get(folded(label), [])
        spelled[label] = same[0] if label not in levels and len(same) == 1 else label
        if spelled[label] not in levels and codes.get(label.lstrip("0")) is not None:
            spelled[label] = codes[label.lstrip("0")]
            shortened.append(label)
    cells = cells.map(spelled, na_action="ignore").astype(object)
    if shortened:
        first = shortened[0]
        notes.append(
            f"{column.name}: codes that had lost their leading zeros were read as in training, such as "
            f"{first!r} as {spelled[first]!r}."
        )
    new = sorted({label for label in spelled.values() if label not in levels})
    if new:
        shown = joined([repr(label[:30]) for label in new[:SHOWN]])
        more = f" and {len(new) - SHOWN} more" if new[SHOWN:] else ""
        notes.append(
            f"{column.name}: {shown}{more} in {counted(int(cells.isin(new).sum()), 'row')} "
            f"{'was' if len(new) == 1 else 'were'} not there in training and "
            f"{'is' if len(new) == 1 else 'are'} taken for unknown."
        )
    return cells


def _by_number(levels: Sequence[str]) -> dict[str, str]:
    """Codes of one length with leading zeros, by what a spreadsheet leaves of them: "7" for "007"."""
    if len({len(level) for level in levels}) != 1 or not all(level.isdigit() for level in levels):
        return {}
    return {level.lstrip("0") or "": level for level in levels}


def _dates(cells: pd.Series, column: Column, notes: list[str]) -> pd.DataFrame:
    made = date_parts(cells, column.name, column.form)[column.parts]
    lost = cells[cells.notna() & made.isna().all(axis=1)]
    if len(lost) and made.isna().all(axis=None):
        raise TableError(
            f"Column {column.name!r} held dates in training, written as {column.form}, and here it holds "
            f"none: its values are such as {str(lost.iloc[0])[:40]!r}. Write them as in training."
        )
    if len(lost):
        notes.append(
            f"{column.name}: {counted(len(lost), 'value')} not written as in training ({column.form}) "
            f"{'was' if len(lost) == 1 else 'were'} taken for missing, such as {str(lost.iloc[0])[:40]!r}."
        )
    return made


def _truths(cells: pd.Series, name: str) -> pd.Series:
    words = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
    found = cells.astype(object).map(
        lambda cell: words.get(str(cell).casefold(), np.nan), na_action="ignore"
    )
    found = found.astype(float)
    lost = cells[cells.notna() & found.isna()]
    if len(lost):
        raise TableError(
            f"Column {name!r} held true and false in training, and here values such as "
            f"{str(lost.iloc[0])[:40]!r}. Write true or false, or leave the cell empty."
        )
    return found
