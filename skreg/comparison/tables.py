"""From a file to a table that can be compared on: read, find the target, draw, complain early."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skreg.comparison.preparing import is_text_only
from skreg.comparison.tasks import check_target, infer_task

__all__ = ["Table", "TableError", "bundled_table", "load_table"]

PARQUET = (".parquet", ".pq")
# what else than a comma parts the columns of files that call themselves CSV
SEPARATORS = (";", "\t", "|")


class TableError(ValueError):
    """The table cannot be used; the message is one line that says what to do."""


@dataclass
class Table:
    """A table ready for `compare`.

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
    """

    X: pd.DataFrame
    y: NDArray
    task: str
    name: str
    target_name: str
    groups: NDArray | None = None
    weights: NDArray | None = None
    notes: list[str] = field(default_factory=list)


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
    max_rows: int | None = 10_000,
    random_state: int = 0,
) -> Table:
    """Read a table and split it into features and target.

    Parameters
    ----------
    path : str or Path
        CSV (also compressed) or Parquet.
    target : str or None, default=None
        Target column; None takes the last one.
    task : {"auto", "classification", "regression"}, default="auto"
        Kind of target.
    groups, weights : str or None, default=None
        Columns with the group and the weight of each row; they are no features.
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
    frame = _read(Path(path))
    target = _column(frame, target, "target") if target is not None else str(frame.columns[-1])
    special = [
        _column(frame, name, what)
        for name, what in ((groups, "groups"), (weights, "weights"))
        if name is not None
    ]
    if target in special:
        raise TableError(f"The column {target!r} cannot be the target and something else.")
    notes = []
    present = frame[target].notna()
    for name in special:
        present &= frame[name].notna()
    if not present.all():
        columns = ", ".join([target, *special])
        notes.append(f"{int((~present).sum()):,} rows without a value in {columns} were left out.")
        found = infer_task(frame[target])
        frame = frame[present].reset_index(drop=True)
    else:
        found = infer_task(frame[target])
    if task == "auto":
        task = found[0]
        other = "regression" if task == "classification" else "classification"
        notes.append(
            f"{target} was taken for {task}, because {found[1]} (--task {other} changes it)."
        )
    y = _target(frame[target], target, task)
    X = frame.drop(columns=[target, *special])
    _check_features(X, target)
    table = Table(
        X,
        y,
        task,
        Path(path).name,
        target,
        groups=None if groups is None else frame[groups].to_numpy(),
        weights=None if weights is None else _weights(frame[weights], weights),
        notes=notes,
    )
    return _drawn(table, max_rows, random_state)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise TableError(f"{path} {what}. Give a CSV or Parquet file.")
    try:
        frame = _read_parquet(path) if path.suffix.lower() in PARQUET else _read_csv(path)
    except TableError:
        raise
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TableError(f"{path} cannot be read as a table: {line}") from error
    frame.columns = [str(name) for name in frame.columns]
    if frame.shape[1] < 2:
        raise TableError(
            f"{path} has {frame.shape[1]} column: a comparison takes a target and a feature or "
            "more. Are the columns parted by commas?"
        )
    if len(frame) < 10:
        raise TableError(f"{path} has {len(frame)} rows: too few for a comparison.")
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, low_memory=False)
    for separator in SEPARATORS:
        if frame.shape[1] == 1 and separator in str(frame.columns[0]):
            frame = pd.read_csv(path, sep=separator, low_memory=False)
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise TableError(
            f"{path} is Parquet, which takes pyarrow. Run `pip install pyarrow`, or give CSV."
        ) from None


def _column(frame: pd.DataFrame, name: str, what: str) -> str:
    if name in frame.columns:
        return name
    close = difflib.get_close_matches(name, list(frame.columns), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    shown = ", ".join(list(frame.columns)[:8]) + (", ..." if frame.shape[1] > 8 else "")
    raise TableError(f"No column {name!r} for the {what}.{hint} The columns are {shown}")


def _target(column: pd.Series, name: str, task: str) -> NDArray:
    try:
        return check_target(column, task)
    except ValueError as error:
        text = str(error).replace("task='classification'", "--task classification")
        raise TableError(f"Column {name!r}: {text}") from error


def _check_features(X: pd.DataFrame, target: str) -> None:
    if X.shape[1] == 0:
        raise TableError(f"There is no column besides {target!r}: nothing to predict it from.")
    if X.isna().all(axis=None):
        raise TableError("Every feature is empty: there is nothing to predict from.")
    if is_text_only(X):
        raise TableError(
            "Every column is free text. Turn it into numbers first, for example with skrub's "
            "TextEncoder or scikit-learn's TfidfVectorizer, and call skreg.compare on those."
        )


def _weights(column: pd.Series, name: str) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    if not np.all(np.isfinite(values)) or np.any(values < 0) or values.sum() == 0:
        raise TableError(
            f"Column {name!r} cannot be weights: they must be numbers from 0, some above it."
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

    return Table(
        table.X.iloc[rows].reset_index(drop=True),
        table.y[rows],
        table.task,
        table.name,
        table.target_name,
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
