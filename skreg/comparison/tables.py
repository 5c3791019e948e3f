"""From a file to a table that can be compared on: read, find the target, draw, complain early."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.cleaning import (
    clean_features,
    clean_target,
    file_decimal,
    is_text,
    may_be_grouped,
    stripped,
    without_footer,
    without_words,
)
from skreg.comparison.columns import empty_columns, left_out, without_idle_columns
from skreg.comparison.numbers import read_numbers, unit_of, usual_missing
from skreg.comparison.preparing import is_text_only
from skreg.comparison.reading import RawTable, TableError, read_table
from skreg.comparison.tasks import check_target, infer_task
from skreg.comparison.wording import counted

__all__ = [
    "Table",
    "TableError",
    "bundled_table",
    "column_named",
    "load_table",
    "with_grouped",
]

# rows that a table, and each of two classes, must have
MIN_ROWS, MIN_CLASS_ROWS = 10, 5


@dataclass
class Table:
    """A table ready for `compare` or a search.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Without target, groups and weights.
    y : ndarray of shape (n_samples,)
        Target.
    task : {"classification", "regression"}
        Kind of target.
    name, target_name : str
        For headings.
    groups, weights : ndarray of shape (n_samples,) or None
        Columns that were asked for.
    notes : list of str
        What was done to the data.
    decimal : {".", ","} or None
        The decimal mark that the file shows, or that was given.
    ticked : list of str
        Columns of one value and gaps, in which a gap was taken for a value of its own.
    units : dict of str to str
        What the numbers of each column have behind them, such as "%"; "" for nothing.
    """

    X: pd.DataFrame
    y: NDArray
    task: str
    name: str
    target_name: str
    groups: NDArray | None = None
    weights: NDArray | None = None
    notes: list[str] = field(default_factory=list)
    decimal: str | None = None
    ticked: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)


def bundled_table() -> Table:
    """Return the breast cancer data that comes with scikit-learn.

    Returns
    -------
    Table
        569 rows, 30 features, the classes "malignant" and "benign".
    """
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    y = np.asarray(data.target_names, dtype=object)[data.target]
    return Table(data.data, y, "classification", "breast cancer (scikit-learn)", "diagnosis")


def load_table(
    path: str | Path,
    *,
    target: str | None = None,
    task: str = "auto",
    groups: str | None = None,
    weights: str | None = None,
    drop: str | Sequence[str] = (),
    missing: str | Sequence[str] = (),
    decimal: str | None = None,
    encoding: str | None = None,
    max_rows: int | None = 10_000,
    random_state: int = 0,
) -> Table:
    """Read a table and split it into features and target.

    Columns of text that clearly hold numbers are read as numbers (decimal commas, thousands
    separators, per cent, currencies), odd words in them are taken for missing, and columns from
    which nothing can be learned are left out. `Table.notes` has a line on each of these.

    Parameters
    ----------
    path : str or Path
        CSV (also compressed), Parquet or a spreadsheet; "-" is standard input.
    target : str or None, default=None
        Target column; None takes the last one.
    task : {"auto", "classification", "regression"}, default="auto"
        Kind of target.
    groups, weights : str or None, default=None
        Columns with the group and the weight of each row; they are no features.
    drop : str or sequence of str, default=()
        Columns to leave out; "a,b" stands for two.
    missing : str or sequence of str, default=()
        Words (or numbers, such as "-999") that stand for a missing value, besides the usual ones.
    decimal : {".", ","} or None, default=None
        The decimal mark where a column does not show it ("1,234"). None finds out from the other
        columns of the file.
    encoding : str or None, default=None
        Encoding of a text file. None finds out.
    max_rows : int or None, default=10000
        Larger tables are drawn down to this many rows, stratified for classes. None takes all.
    random_state : int, default=0
        Seed of the draw.

    Returns
    -------
    Table

    Raises
    ------
    TableError
        If the file or a column is missing, the target has one value, every column is free text, or
        anything else makes the table unusable.
    """
    if decimal not in (None, ".", ","):
        raise TableError(f"decimal={decimal!r}: allowed are '.', ',' and None.")
    if max_rows is not None and max_rows < MIN_ROWS:
        raise TableError(f"max_rows={max_rows}: allowed are {MIN_ROWS} and more, and None for all.")
    drop = [drop] if isinstance(drop, str) else drop
    missing = [missing] if isinstance(missing, str) else missing
    raw = read_table(Path(path), encoding=encoding)
    notes = list(raw.notes)
    _check_size(raw.frame, raw.name)
    frame = _without_columns(stripped(raw.frame), drop)
    frame, found = without_words(frame, missing)
    notes += found
    frame, target, found = _with_target(frame, target, (groups, weights))
    notes += found
    special = [
        column_named(frame, name, what)
        for name, what in ((groups, "groups"), (weights, "weights"))
        if name is not None
    ]
    if target in special:
        raise TableError(f"The column {target!r} cannot be the target and something else.")
    for name in special:
        if is_text(frame[name]):
            frame[name] = frame[name].mask(usual_missing(frame[name]))
    notes += _repeated(raw.repeated, target)
    frame, found = without_footer(frame)
    notes += found
    decimal = decimal or file_decimal(frame, raw.semicolons)
    frame = with_grouped(frame, raw, decimal)
    frame[target], found = clean_target(frame[target], target, task, decimal)
    notes += found
    frame, y, task, found = _labelled(frame, target, special, task)
    notes += found
    raw_X = frame.drop(columns=[target, *special])
    X, found = clean_features(raw_X, decimal)
    notes += found
    before = X
    X, found = _without_idle_columns(X, target)
    notes += found
    ticked = [name for name in X if X[name].dtype == bool and before[name].dtype != bool]
    table = Table(
        X,
        y,
        task,
        raw.name,
        target,
        groups=None if groups is None else _groups(frame[groups]),
        weights=None if weights is None else _weights(frame[weights], weights, decimal),
        notes=notes,
        decimal=decimal,
        ticked=ticked,
        units={name: unit_of(raw_X[name]) for name in X if X[name].dtype.kind in "iuf"},
    )
    return _drawn(table, max_rows, random_state)


def _check_size(frame: pd.DataFrame, name: str) -> None:
    if frame.shape[1] < 2:
        raise TableError(
            f"{name} has {counted(frame.shape[1], 'column')}: a target and at least "
            "one feature are needed. Are the columns separated by commas, semicolons or tabs?"
        )
    if len(frame) < MIN_ROWS:
        raise TableError(
            f"{name} has {counted(len(frame), 'row')}: too few, at least {MIN_ROWS} are needed."
        )


def _without_columns(frame: pd.DataFrame, drop: Sequence[str]) -> pd.DataFrame:
    names = []
    for given in drop:
        # a name may hold a comma itself
        parts = [given] if given in frame.columns else [part.strip() for part in given.split(",")]
        names += [column_named(frame, part, "columns to drop") for part in parts if part]
    return frame.drop(columns=names)


def _with_target(
    frame: pd.DataFrame, target: str | None, special: Sequence[str | None]
) -> tuple[pd.DataFrame, str, list[str]]:
    """Leave out empty columns, and find the target among the others."""
    if target is not None:
        target = column_named(frame, target, "target")
    if frame.shape[1] < 2:
        rest = f" besides {frame.columns[0]!r}" if frame.shape[1] else ""
        raise TableError(f"There is no column{rest}: a target and a feature are needed.")
    empty = [name for name in empty_columns(frame) if name not in (target, *special)]
    notes = []
    last = str(frame.columns[-1])
    if target is None and last in empty and not last.startswith("Unnamed: "):
        raise TableError(
            f"The last column, {last!r}, would be the target and is empty. Name another (--target)."
        )
    if len(empty) >= frame.shape[1] - 1:
        raise TableError("Every feature is empty: there is nothing to predict from.")
    if empty:
        frame = frame.drop(columns=empty)
        notes.append(left_out(empty, "empty"))
    return frame, str(frame.columns[-1]) if target is None else target, notes


def _repeated(names: Sequence[str], target: str) -> list[str]:
    """A line on names that several columns have; an error where it is the target's."""
    for name in names:
        if target == name or re.fullmatch(rf"{re.escape(name)}\.\d+", target):
            raise TableError(
                f"Several columns are called {name!r}, so the target is not clear. Rename all but "
                "one of them in the file."
            )
    return [
        f"Several columns are called {name}: the second is named {name}.1, and so on."
        for name in names
    ]


def with_grouped(frame: pd.DataFrame, raw: RawTable, decimal: str | None) -> pd.DataFrame:
    """Where commas are decimal marks, 1.234 may be 1234: have such columns as text again."""
    if decimal != "," or raw.as_text is None:
        return frame
    points = [name for name in frame.columns if may_be_grouped(frame[name])]
    if points:
        text = stripped(raw.as_text(points)).loc[frame.index]
        frame = frame.assign(**{name: text[name].mask(frame[name].isna()) for name in points})
    return frame


def _labelled(
    frame: pd.DataFrame, target: str, special: Sequence[str], task: str
) -> tuple[pd.DataFrame, NDArray, str, list[str]]:
    """The rows that have a target, and what kind of target it is."""
    notes = []
    if frame[target].isna().all():
        raise TableError(
            f"Column {target!r} holds no value that is not taken for missing: there is nothing to "
            "learn. Name another target (--target)."
        )
    found = infer_task(frame[target])
    present = frame[[target, *special]].notna().all(axis=1)
    if not present.all():
        columns = ", ".join([target, *special])
        gone = int((~present).sum())
        were = "was" if gone == 1 else "were"
        notes.append(f"{counted(gone, 'row')} without a value in {columns} {were} left out.")
        frame = frame[present].reset_index(drop=True)
        if len(frame) < MIN_ROWS:
            raise TableError(
                f"Only {counted(len(frame), 'row')} of {len(present):,} have a value in {columns}: too "
                f"few, at least {MIN_ROWS} are needed."
            )
    if task == "auto":
        task = found[0]
        other = "regression" if task == "classification" else "classification"
        notes.append(
            f"{target} was taken for {task}, because {found[1]} (--task {other} changes it)."
        )
    column = frame[target].infer_objects()
    if task == "classification" and column.dtype.kind == "f" and (column == column.round()).all():
        column = column.astype(np.int64)
    y = _target(column, target, task)
    if task == "classification":
        _check_classes(y, target)
    return frame, y, task, notes


def _check_classes(y: NDArray, target: str) -> None:
    counts = pd.Series(y).value_counts()
    if (counts >= MIN_CLASS_ROWS).sum() >= 2:
        return
    numeric = pd.to_numeric(pd.Series(y), errors="coerce").notna()
    remedy = "Name another target (--target)."
    if numeric.all():
        remedy = "If it is a number, use --task regression."
    elif numeric.mean() > 0.5:
        example = pd.Series(y)[~numeric].value_counts().index[0]
        remedy = (
            f"{int(numeric.sum()):,} values are numbers: if the others, such as {example!r}, stand "
            "for missing values, name them with --missing."
        )
    raise TableError(
        f"Column {target!r} has {len(counts):,} distinct values in {len(y):,} rows, and fewer than two "
        f"of them stand in {MIN_CLASS_ROWS} rows: too few to be classes. {remedy}"
    )


def column_named(frame: pd.DataFrame, name: str, what: str) -> str:
    """A column that the user names; an error that says which there are where it is not there."""
    if name in frame.columns:
        return name
    names = [str(column) for column in frame.columns]
    alike = {" ".join(column.casefold().split()): column for column in reversed(names)}
    close = difflib.get_close_matches(" ".join(name.casefold().split()), list(alike), n=1)
    hint = f" Did you mean {alike[close[0]]!r}?" if close else ""
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    raise TableError(f"No column {name!r} for the {what}.{hint} The columns are {shown}.")


def _target(column: pd.Series, name: str, task: str) -> NDArray:
    try:
        return check_target(column, task)
    except ValueError as error:
        text = str(error).replace("task='classification'", "--task classification")
        text = text.replace("leave these rows out", "name them with --missing")
        raise TableError(f"Column {name!r}: {text}") from error


def _without_idle_columns(X: pd.DataFrame, target: str) -> tuple[pd.DataFrame, list[str]]:
    if X.shape[1] == 0:
        raise TableError(f"There is no column besides {target!r}: nothing to predict it from.")
    if X.isna().all(axis=None):
        raise TableError("Every feature is empty: there is nothing to predict from.")
    kept, notes = without_idle_columns(X)
    if kept.shape[1] == 0:
        raise TableError(f"No feature is left to predict {target!r} from. {' '.join(notes)}")
    if is_text_only(kept):
        raise TableError(
            "Every column is free text. Turn it into numbers first, for example with skrub's "
            "TextEncoder or scikit-learn's TfidfVectorizer, and use skreg from Python on those."
        )
    return kept, notes


def _groups(column: pd.Series) -> NDArray:
    numbers = pd.to_numeric(column, errors="coerce")
    return (column if numbers.isna().any() else numbers).to_numpy()


def _weights(column: pd.Series, name: str, decimal: str | None) -> NDArray[np.float64]:
    if is_text(column):
        found = read_numbers(column, decimal)
        column = column if found is None else pd.Series(found.values)
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any() or values.sum() == 0:
        first = column[wrong].head(1).tolist()
        example = f"{first[0]!r}" if first else "only zeros"
        raise TableError(
            f"Column {name!r} cannot be weights: it has {example}. Weights are numbers from 0, at "
            "least one of them above 0."
        )
    return values


def _drawn(table: Table, max_rows: int | None, random_state: int) -> Table:
    n_rows = len(table.y)
    if max_rows is None or n_rows <= max_rows:
        return table
    rows = _draw(table.y, max_rows, table.task, random_state)
    kind = "stratified draw" if table.task == "classification" else "draw"
    note = f"A {kind} of {max_rows:,} of {n_rows:,} rows was used (--rows all takes them all)."

    def pick(values: Any) -> Any:
        return None if values is None else values[rows]

    return replace(
        table,
        X=table.X.iloc[rows].reset_index(drop=True),
        y=table.y[rows],
        groups=pick(table.groups),
        weights=pick(table.weights),
        notes=[*table.notes, note],
    )


def _draw(y: NDArray, n_rows: int, task: str, random_state: int) -> NDArray[np.intp]:
    """Draw rows so that each class keeps its share; a class is never lost by rounding alone."""
    order = np.random.RandomState(random_state).permutation(len(y))
    if task != "classification":
        return np.sort(order[:n_rows])
    shuffled = pd.Series(y[order])
    rank = shuffled.groupby(shuffled).cumcount()
    size = shuffled.groupby(shuffled).transform("size")
    # the middle of each row's slot within its class: the smallest come from all classes alike
    slot = ((rank + 0.5) / size).to_numpy()
    return np.sort(order[np.argsort(slot, kind="stable")[:n_rows]])
